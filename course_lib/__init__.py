"""The library under the course: every optimizer written twice, and proved equal.

An engineer's door (Keras, NumPy, h5py, tqdm, and a backend of your choice)
    optimizers      every rule: its equation, a pure NumPy function, a Keras class; and RULES
    wrappers        what goes around an optimizer: soft batches, averages, Lookahead
    two_gradients   Heun and other tableaus, extragradient, SAM: in NumPy, and as a train_step
    saving          what a saved file holds; stop, save, load and continue exactly
    sweeps          every learning rate and seed of a comparison trained at once
    checks          check_rule and check_optimizer: what must hold; dialects of other libraries

A learner's door (what the notebooks' pages import)
    exercises       the checkers of the exercises: grade
    museum          the recipes of Keras 1 and 2, executed, faults included
    landscapes      functions of two variables to walk on
    problems        real handwritten digits, and the networks of the course
    models          fresh models by seed, fingerprints, and what two models have in common
    figures         one colour for each rule, and a few plots
    roofline        the bytes that a step must move, and a NumPy Adam at the pace of a cache
    quiet           TensorFlow starts without log lines: import course_lib.quiet asks for it

A teacher's and author's door (from a checkout)
    classroom       a class's answers, graded: a folder of submissions in, a gradebook out
    authoring       notebooks as files: re-run, saved canonically, compared, given to students
    cli             the command course-lib and its sub-commands

    arguments, files, checkout, versions    checks of arguments, whole files, what is installed

Importing course_lib, or any module of it but quiet, changes nothing in the process; course_lib
itself loads neither Keras nor TensorFlow.
"""
