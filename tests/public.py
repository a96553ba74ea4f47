"""What a reader and an editor find at each public name: docstring, types, plain words.

A list of what is missing, room by room:

    python tests/public.py                   counts for every module that has faults
    python tests/public.py sweeps museum     the faults of these rooms, in sentences
"""

import ast
import builtins
import dataclasses
import doctest
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
import warnings

import course_lib

LONGEST = 30  # words in a sentence
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Example", "Examples", "Note")
# Words that no reader of a second language finds in the sense in which they were used here.
IDIOMS = (
    r"hand(?:s|ed|ing)? (?:back|over)",
    r"(?:what|that|which|it|this) is no(?:ne)?(?! (?:longer|more|smaller|larger))",
    r"in silence",
    r"one (?:number|value|row|line|file|slot|entry|factor|scalar|step|colour|norm) an?",
    r"rooms?(?! of)",
    r"(?:apart|awake|said|told|asked|whichever|whatever)",
)


def modules():
    """Every module of course_lib that a reader can import; no part of its name begins with _."""
    yield course_lib
    for found in pkgutil.walk_packages(course_lib.__path__, "course_lib."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield importlib.import_module(found.name)


def definitions(module):
    """(name, object, owner) of the public functions, classes and methods that a module defines."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing):
            yield name, thing, None
            for method, raw in vars(thing).items():
                inner = _function(raw)
                if method.startswith("_") or inner is None or _inherited(thing, method):
                    continue
                yield f"{name}.{method}", raw, thing
        elif callable(thing) and _function(thing):
            yield name, thing, None


def face(module):
    """What a package shows of a module: all public names, or the objects in `__all__`.

    A package that has `__all__` shows what stands there.  Its other names are used within it: they
    need a docstring, and neither types nor sections.
    """
    shown, restricted = [], False
    *packages, _ = _names_up_to(module.__name__)
    for name in [*packages, module.__name__]:
        package = sys.modules.get(name)
        if name.count(".") and hasattr(package, "__all__"):
            restricted = True
            shown += [getattr(package, exported) for exported in package.__all__]
    return shown if restricted else None


def is_described_elsewhere(module, name, thing):
    """Whether a definition is one of many of a kind, and the kind is described in one place.

    `init` and `step` of a rule: the equation in its module's docstring.  The checkers of the
    exercises: the question in the notebook.  The wrong optimizers: their names say what is wrong.
    """
    room = module.__name__.removeprefix("course_lib.")
    if re.fullmatch(r"optimizers\.\w+", room):
        return name in ("init", "step")
    if re.fullmatch(r"exercises\.chapter_\d\d", room):
        return inspect.isfunction(thing) and [*inspect.signature(thing).parameters] == ["answer"]
    return room.startswith("checks.wrong.")


def faults(module):
    """What is missing in a module, a sentence each."""
    found = [f"the module: {fault}" for fault in _language(module.__doc__)]
    if not _has_first_sentence(module.__doc__):
        found.append("the module: its docstring does not begin with a sentence")
    shown = face(module)
    for name, thing, owner in definitions(module):
        if is_described_elsewhere(module, name, thing):
            continue
        if shown is None or any(one is (owner or thing) for one in shown):
            found += [f"{name}: {fault}" for fault in _faults_of(thing, owner)]
        elif owner is None:
            found += [f"{name}: {fault}" for fault in _faults_of_docstring(_doc_of(thing))]
    return found


def _doc_of(thing):
    doc = vars(thing).get("__doc__") if inspect.isclass(thing) else _function(thing).__doc__
    if dataclasses.is_dataclass(thing) and (doc or "").startswith(f"{thing.__name__}("):
        return None  # dataclass writes the signature there
    return doc


def _faults_of_docstring(doc):
    if not doc:
        yield "no docstring"
    else:
        if not _has_first_sentence(doc):
            yield "its docstring does not begin with a sentence"
        yield from _language(doc)


def _faults_of(thing, owner):
    doc = _doc_of(thing)
    yield from _faults_of_docstring(doc)
    # A class is described in its docstring, the arguments of its constructor and fields included.
    function, sections = _function(thing), parse(doc)
    if inspect.isclass(thing):
        # A Protocol is not made: its constructor is Python's own, and refuses.
        is_protocol = getattr(thing, "_is_protocol", False)
        function = None if is_protocol else vars(thing).get("__init__")
        sections = merge(sections, parse(function.__doc__ if function else None))
    if function is not None:
        parameters = _parameters(function, owner is not None or inspect.isclass(thing), thing)
        entries = sections.get("Args", {}) | sections.get("Attributes", {})
        for parameter in parameters:
            if parameter.name not in entries:
                yield f"`{parameter.name}` is not described in Args"
        if not (inspect.isclass(thing) and dataclasses.is_dataclass(thing)):
            for parameter in parameters:
                if parameter.annotation is inspect.Parameter.empty:
                    yield f"`{parameter.name}` has no type"
        returns = inspect.signature(function).return_annotation
        if returns is inspect.Signature.empty and not inspect.isclass(thing):
            yield "what it returns has no type"
        says = bool({"Returns", "Yields"} & {*sections})
        if parameters and not says and returns not in (None, "None", inspect.Signature.empty):
            yield "Returns is missing"
    for function in _own_functions(thing):
        for error in sorted(raised(function)):
            if not _is_named(error, sections.get("Raises", {})):
                yield f"{error} is raised and not described in Raises"


def merge(one, other):
    """The sections of two docstrings together."""
    return {name: one.get(name, {}) | other.get(name, {}) for name in {*one, *other}}


def parse(doc):
    """The sections of a docstring in Google's form: {"Args": {name: text}, "Returns": {...}}."""
    sections, section, entry = {}, None, None
    for line in inspect.cleandoc(doc or "").splitlines():
        header = re.fullmatch(r"(\w+):", line)
        if header and header[1] in SECTIONS:
            section = sections.setdefault(header[1], {})
        elif line and not line.startswith(" "):
            section = None
        elif section is not None:
            begins = re.match(r" {4}(\*{0,2}\w[\w.]*)(?: \([^)]*\))?:(?: |$)(.*)", line)
            if begins:
                entry = begins[1].lstrip("*")
                section[entry] = begins[2]
            elif line.startswith("     ") and entry in section:
                section[entry] += " " + line.strip()
    return sections


def sentences(doc):
    """The sentences of a docstring, without its examples, code and section headers."""
    units, prose, code, section = [], False, False, False
    for line in inspect.cleandoc(doc or "").splitlines():
        if line[:1].strip():
            section = line.endswith(":") and line.rstrip(":") in SECTIONS
        # Examples; and what is indented outside of a section: equations, tables, code.
        set_apart = line.startswith("    ") and not section
        code = bool(line.strip()) and (code or line.strip().startswith(">>>"))
        text = re.sub(r"``?[^`]+`?`", "x", line.strip())
        if code or set_apart or not text or (text.rstrip(":") in SECTIONS and text.endswith(":")):
            prose = False
            continue
        begins = re.match(r"[-*] |\*{0,2}\w[\w.]*(?: \([^)]*\))?: |\S+(?: \S+){0,3} {2,}\S", text)
        if prose and not begins:
            units[-1] += " " + text
        else:
            units.append(re.sub(r"^(?:[-*] |[\w.*]+: )", "", text))
        prose = True
    return [one for unit in units for one in re.split(r"(?<=[.?!:])[)\"'”]*\s+", unit) if one]


def raised(function):
    """The names of the exceptions that a function raises itself, as far as its source shows."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return set()
    names, waiting = set(), list(tree.body[0].body) if hasattr(tree.body[0], "body") else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = ast.unparse(error).split(".")[-1]
            if name[0].isupper() and name != "NotImplementedError":
                names.add(name)
        waiting += ast.iter_child_nodes(node)
    return names


def examples(module):
    """The doctests of a module that have an example."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(module, module.__name__) if test.examples]


def _language(doc):
    for sentence in sentences(doc):
        count = sum(any(map(str.isalnum, word)) for word in sentence.split())
        if count > LONGEST:
            yield f"a sentence of {count} words: {sentence[:60]}..."
        for idiom in IDIOMS:
            if match := re.search(rf"\b{idiom}\b", sentence, re.IGNORECASE):
                yield f"{match[0]!r} in: {sentence[:60]}"


def _has_first_sentence(doc):
    first = inspect.cleandoc(doc or "").split("\n\n")[0].rstrip()
    return bool(re.search(r"\w.*[.?!:]$", first, re.DOTALL))


def _function(thing):
    """The plain function behind a function, a method, a property or a decorated one, or None."""
    if isinstance(thing, property):
        thing = thing.fget
    elif isinstance(thing, classmethod | staticmethod):
        thing = thing.__func__
    elif hasattr(thing, "func") and not callable(thing):  # functools.cached_property
        thing = thing.func
    thing = inspect.unwrap(thing) if callable(thing) else thing
    return thing if inspect.isfunction(thing) else None


def _is_named(error, raises):
    """Whether an exception, or one of its bases, is among those that are described."""
    bases = getattr(getattr(builtins, error, None), "__mro__", ())
    return bool({error, *(base.__name__ for base in bases[:-3])} & {*raises})


def _own_functions(thing):
    if not inspect.isclass(thing):
        return [_function(thing)] if _function(thing) else []
    if getattr(thing, "_is_protocol", False):
        return []
    return [f for f in map(vars(thing).get, ("__init__", "__post_init__")) if inspect.isfunction(f)]


def _parameters(function, bound, thing):
    parameters = list(inspect.signature(function).parameters.values())
    return parameters[1:] if bound and not isinstance(thing, staticmethod) else parameters


def _inherited(cls, method):
    """Whether a base has that method: then what it is asked and what it returns stand there."""
    return any(method in vars(base) for base in cls.__mro__[1:])


def _names_up_to(name):
    """The names of the packages that a module is in, and its own: "a", "a.b", "a.b.c"."""
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def main(*rooms):
    """Print the faults of some rooms, or the number of faults of each module."""
    total = 0
    for module in modules():
        name = module.__name__.removeprefix("course_lib").lstrip(".") or "__init__"
        if rooms and not any(name == room or name.startswith(f"{room}.") for room in rooms):
            continue
        found = faults(module)
        total += len(found)
        if found:
            print(f"{len(found):4}  {name}")
        if rooms:
            print("".join(f"        {fault}\n" for fault in found), end="")
    print(f"{total:4}  in all")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
