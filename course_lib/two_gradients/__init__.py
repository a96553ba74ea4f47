"""Two gradients per step: look, step, look again; then one step from where you stood.

methods      Heun and other tableaus, extragradient, SAM; and what a method of your own must have
steps        one step in NumPy: of any tableau, and optimistic
measuring    the order of a method
training     a Keras model that trains with a method
"""

from .measuring import fitted_order, flow_errors
from .methods import EULER, EXTRAGRADIENT, HEUN, MIDPOINT, SAM, Method, Tableau
from .steps import optimistic, step
from .training import TwoGradientModel, two_gradient_step

__all__ = [
    "EULER",
    "EXTRAGRADIENT",
    "HEUN",
    "MIDPOINT",
    "SAM",
    "Method",
    "Tableau",
    "TwoGradientModel",
    "fitted_order",
    "flow_errors",
    "optimistic",
    "step",
    "two_gradient_step",
]
