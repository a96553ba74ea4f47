"""The library under the course: every optimizer told twice, and proved equal.

optimizers      every rule: its equation, a pure NumPy function, a Keras class; and RULES, the list of them
wrappers        around any NumPy rule and any Keras optimizer: soft batches, averages (EMA, SWA), Lookahead
two_gradients   Heun and other tableaus, extragradient, SAM, optimistic steps: in NumPy, and a Keras model
sweeps          every learning rate and seed of a comparison trained at once, on one machine or a cluster
tracing         a rule's NumPy step, compiled by TensorFlow or JAX
saving          what a saved file holds; stop, save, load and continue exactly
museum          the recipes of Keras 1 and 2, executed, faults included; old names and today's
landscapes      functions of two variables to walk on: value, gradient, minimum, drawing window
problems        real handwritten digits, and the networks of the course
roofline        the bytes that a step must move, and a NumPy Adam at the pace of a cache
models          fresh models by seed, fingerprints, and what two models have in common
figures         one colour a rule; a few plots that draw on the axes you give them
checks          check_rule and check_optimizer: what must hold for a rule told twice, and for any optimizer; dialects
exercises       the checkers of the exercises: grade
classroom       a class's answers, graded: a folder of submissions in, a table out (for teachers)
notebooks       notebooks as files: re-run, saved canonically, compared with a stated tolerance (for authors)

Importing course_lib loads neither Keras nor TensorFlow.  It only arranges that TensorFlow, whoever imports it
later, starts without filling the page with log lines (course_lib.quiet).
"""

from . import quiet

quiet.hold_back_start_up_lines()
