"""The recipes of Keras 1 and 2, re-typed small and executed, faults included; and what became of their names.

old_backend    the old `K`, `Optimizer` and `Model`, over TensorFlow's own graph mode, in a graph and a session of their own
sgd            SGD, Keras 2
adagrad        Adagrad with decay, epsilon and constraints, Keras 1
soft_batch     four micro-batches, one step: as printed, as meant, repaired
heun           the "intrusive" optimizer that replaces model.train_function
runs           run: train a few numbers with a recipe, in float64, and see what it did
names          NAMES, names_table, card: old names and rows, and today's
"""
