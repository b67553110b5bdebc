"""Serves the function in the working folder over HTTP, on the socket FEZZ_SOCKET or the port PORT.

What is served is told by FEZZ_ENTRY ("module:name", "module:factory()"), else it is the first of
these that a module of the folder has: `handler(request)`, a WSGI or ASGI `app` or `application`, a
factory `create_app()` or `make_app()`. Modules are looked at in the order of MODULES, then packages;
where there is none of these, the only module that there is.
"""

import importlib
import inspect
import os
import signal
import sys
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)
MODULES = ("handler", "app", "wsgi", "asgi", "main", "application")
APPS = ("app", "application", "asgi_app", "wsgi_app")
FACTORIES = ("create_app", "make_app")


def main():
    # Last: the function's own modules may be called anything, and this folder's are for it alone.
    sys.path[:] = [os.getcwd(), *(path for path in sys.path if path != HERE), HERE]
    if os.path.isdir("src"):
        sys.path.insert(1, os.path.join(os.getcwd(), "src"))
    # Until there is a server to be ended gracefully.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    module, found = entry()
    from fezz_python import serving

    kind = kind_of(found)
    if kind == "handler":
        on_load, on_unload = (getattr(module, name, None) for name in ("on_load", "on_unload"))
        serving.serve_handler(found, on_load, on_unload)
    elif kind == "asgi":
        serving.serve_asgi(found)
    else:
        serving.serve_wsgi(found)


def entry():
    """The module, and what in it is to be served."""
    named = os.environ.get("FEZZ_ENTRY")
    if named:
        return named_entry(named)
    candidates = candidate_modules()
    for name in candidates:
        module = importlib.import_module(name)
        found = entry_in(module)
        if found is not None:
            return module, found
    looked = ", ".join(candidates) or "no module"
    sys.exit(
        f"nothing to serve was found ({looked} looked at): write handler(request), app or "
        'create_app() in app.py, or name it by "env": { "FEZZ_ENTRY": "module:name" } in fezz.json'
    )


def named_entry(named):
    module_name, _, name = named.partition(":")
    module = importlib.import_module(module_name)
    if not name:
        found = entry_in(module)
    else:
        found = module
        for part in name.removesuffix("()").split("."):
            found = getattr(found, part, None)
        if found is not None and (name.endswith("()") or name in FACTORIES):
            found = found()
    if found is None:
        sys.exit(f'FEZZ_ENTRY is "{named}", but {module_name} has nothing of that name to serve')
    return module, found


def candidate_modules():
    folders = [path for path in (Path("."), Path("src")) if path.is_dir()]
    modules = [name for name in MODULES if any((folder / f"{name}.py").is_file() for folder in folders)]
    packages = [
        path.parent.name
        for folder in folders
        for path in sorted(folder.glob("*/__init__.py"))
        if path.parent.name not in ("tests", "test")
    ]
    if modules or packages:
        return modules + packages
    # There is nothing else that it could be. Of several, importing the wrong one may do anything.
    scripts = [path.stem for folder in folders for path in folder.glob("*.py")]
    return scripts if len(scripts) == 1 else []


def entry_in(module):
    handler = getattr(module, "handler", None)
    # An imported name may be anything, such as a logging handler.
    if inspect.isfunction(handler) and handler.__module__ == module.__name__:
        return handler
    for name in APPS:
        app = getattr(module, name, None)
        if callable(app) and not inspect.ismodule(app):
            return app
    for name in FACTORIES:
        factory = getattr(module, name, None)
        if callable(factory):
            return factory()
    return None


def kind_of(found):
    """`handler`, `wsgi` or `asgi`: told by how it is called."""
    call = found if inspect.isroutine(found) else getattr(found, "__call__", found)
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return "wsgi"
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    count = sum(one.kind in positional for one in parameters)
    if count == 1:
        return "handler"
    return "asgi" if count == 3 or inspect.iscoroutinefunction(call) else "wsgi"


if __name__ == "__main__":
    main()
