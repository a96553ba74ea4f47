"""The recipes of Keras 1 and 2, typed again and executed, faults included; and their names today.

old_backend    the old `K`, over TensorFlow's graph mode
old_model      the old `Optimizer` and `Model`
sgd            SGD, Keras 2
adagrad        Adagrad with decay, epsilon and constraints, Keras 1
soft_batch     four micro-batches, one step: as printed, as meant, repaired
heun           the "intrusive" optimizer that replaces model.train_function
runs           run: train a few numbers with a recipe, in float64, and see what it did
names          NAMES, names_table: old names, and today's
cards          CARDS, card: rows of a recipe beside the rows that took over
"""
