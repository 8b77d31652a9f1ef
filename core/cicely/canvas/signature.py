"""One call as data: which task, with which arguments and options (wire-compat section 1.6)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from cicely.ports import default_app
from cicely.result import AsyncResult
from cicely.utils.ids import uuid

if TYPE_CHECKING:
    from cicely.ports import App

S = TypeVar("S", bound="type[Signature]")

#: A signature keeps its own value of these when it is applied with another one.
_OWN_OPTIONS = frozenset({"group_id", "stamped_headers"})


def _item(name: str) -> Any:
    """An entry of the map as an attribute."""

    def read(signature: Signature) -> Any:
        return signature[name]

    def write(signature: Signature, value: Any) -> None:
        signature[name] = value

    return property(read, write)


class Signature(dict[str, Any]):
    """A call that has not been made. A plain map with the keys task, args, kwargs, options, subtask_type
    and immutable, so that every serializer can write it.

    Arguments given when it is applied go in *front* of its own; keyword arguments and options are added.
    An immutable one ignores arguments that it is applied with.

    Without ``app`` the current app is used. ``task`` is a task, its name, or such a map.
    """

    #: Classes by ``subtask_type``.
    TYPES: ClassVar[dict[str, type[Signature]]] = {}

    def __init__(
        self,
        task: Any = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        type: Any = None,  # noqa: A002 - the public name of Celery's API
        subtask_type: str | None = None,
        immutable: bool = False,
        app: App | None = None,
        **more_options: Any,
    ) -> None:
        self._app = app
        self._type = type
        if isinstance(task, Mapping):
            super().__init__(task)
            self.setdefault("args", ())
            self.setdefault("kwargs", {})
            self.setdefault("options", {})
            self.setdefault("subtask_type", None)
            self.setdefault("immutable", False)
            return
        if not isinstance(task, str) and task is not None:
            self._type = type or task
            self._app = app or getattr(task, "app", None)
            task = task.name
        super().__init__(
            task=task,
            args=tuple(args or ()),
            kwargs=dict(kwargs or {}),
            options={**(options or {}), **more_options},
            subtask_type=subtask_type,
            immutable=immutable,
        )

    @classmethod
    def register_type(cls, name: str | None = None) -> Any:
        """Class decorator: maps whose ``subtask_type`` is ``name`` become instances of the class."""

        def register(kind: S) -> S:
            cls.TYPES[name or kind.__name__] = kind
            return kind

        return register

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], app: App | None = None) -> Signature:
        """The signature that a map stands for. Raises NotImplementedError for an unknown type."""
        kind = fields.get("subtask_type")
        if not kind:
            return Signature(fields, app=app)
        if kind not in cls.TYPES:
            raise NotImplementedError(f"signatures of type {kind!r} cannot be run by this version")
        return cls.TYPES[kind].from_dict(fields, app)

    # --- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task here and now, as a function."""
        merged, named, _ = self.merged(args, kwargs)
        return self.type(*merged, **named)

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult:
        """Send the call, with these arguments in front of its own."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult:
        """Send the call. ``options`` as :class:`cicely.options.Options` lists them."""
        merged, named, final = self.merged(args or (), kwargs or {}, options)
        task = self.registered()
        result: AsyncResult
        if task is None:
            result = self._any_app().send_task(self["task"], merged, named, **final)
        else:
            result = task.apply_async(merged, named, **final)
        return result

    def apply(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Run the call in this process, through the same code as a worker. Returns an EagerResult."""
        merged, named, final = self.merged(args or (), kwargs or {}, options)
        return self.type.apply(merged, named, **final)

    def merged(
        self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, options: Any = None
    ) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
        """Arguments, keyword arguments and options of this call when it is applied with more of each."""
        own = self["options"]
        added = options or {}
        kept = {name: own[name] for name in _OWN_OPTIONS & own.keys()}
        final = {**own, **added, **kept}
        if self["immutable"]:
            return tuple(self["args"]), dict(self["kwargs"]), final
        return (*args, *self["args"]), {**self["kwargs"], **(kwargs or {})}, final

    # --- making others of it

    def clone(
        self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Signature:
        """An independent copy, with more arguments and options."""
        merged, named, final = self.merged(args, kwargs, options)
        fields = {**self, "args": merged, "kwargs": named, "options": copy.deepcopy(final)}
        made = self.from_dict(fields, self._app)
        made._type = self._type
        return made

    partial = clone

    def replace(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Signature:
        """A copy with other arguments, keyword arguments or options."""
        made = self.clone()
        made.update(
            {
                name: value
                for name, value in (("args", args), ("kwargs", kwargs), ("options", options))
                if value is not None
            }
        )
        return made

    def set(self, immutable: bool | None = None, **options: Any) -> Self:
        """Add options. Returns itself."""
        if immutable is not None:
            self.set_immutable(immutable)
        self["options"].update(options)
        return self

    def set_immutable(self, immutable: bool) -> None:
        """Whether arguments that it is applied with are ignored."""
        self["immutable"] = immutable

    def freeze(
        self,
        _id: str | None = None,
        group_id: str | None = None,
        chord: Any = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        group_index: int | None = None,
    ) -> AsyncResult:
        """Settle the task's id before the call is sent; returns the result that it will have."""
        options = self["options"]
        task_id = options.get("task_id") or _id or uuid()
        options["task_id"] = task_id
        fixed = {"root_id": root_id, "parent_id": parent_id, "chord": chord, "group_index": group_index}
        options.update({name: value for name, value in fixed.items() if value is not None})
        if group_id is not None:
            options.setdefault("group_id", group_id)
        options.setdefault("reply_to", self._any_app().oid)
        return self.AsyncResult(task_id)

    # --- what is called afterwards

    def link(self, callback: Any) -> Any:
        """Call ``callback`` with the result, on success. Returns the callback."""
        return self._append("link", callback)

    def link_error(self, errback: Any) -> Any:
        """Call ``errback`` when the task fails. Returns the errback."""
        return self._append("link_error", errback)

    def on_error(self, errback: Any) -> Self:
        """:meth:`link_error` that returns the signature itself."""
        self.link_error(errback)
        return self

    def flatten_links(self) -> list[Signature]:
        """Itself and everything that is linked to it, however deep."""
        links = as_list(self["options"].get("link"))
        return [self, *(inner for link in links for inner in signature(link, app=self._app).flatten_links())]

    def _append(self, option: str, link: Any) -> Any:
        links = self["options"][option] = as_list(self["options"].get(option))
        if link not in links:
            links.append(link)
        return link

    def __or__(self, other: Any) -> Any:
        """``first | second``: a chain."""
        chain: Any = self.TYPES.get("chain")
        if chain is None:
            raise NotImplementedError("this version has no chains: link the second task with link()")
        return chain.joined(self, other)

    def __ior__(self, other: Any) -> Any:
        return self | other

    # --- what it is

    @property
    def type(self) -> Any:
        """The task. Raises NotRegistered where its name is not known."""
        return self._type or self._any_app().tasks[self["task"]]

    def registered(self) -> Any:
        """The task, or None where its name is not known."""
        if self._type is not None:
            return self._type
        return self._any_app().tasks.get(self["task"])

    @property
    def app(self) -> Any:
        """The app that the call belongs to."""
        return self._any_app()

    def _any_app(self) -> Any:
        return self._app or default_app()

    def AsyncResult(self, task_id: str) -> AsyncResult:  # noqa: N802 - the public name of Celery's API
        """The result of a task of this app."""
        return AsyncResult(task_id, app=self._any_app(), task_name=self["task"])

    @property
    def name(self) -> str:
        """Name of the task."""
        return str(self["task"])

    task = _item("task")
    args = _item("args")
    kwargs = _item("kwargs")
    options = _item("options")
    subtask_type = _item("subtask_type")
    immutable = _item("immutable")

    @property
    def id(self) -> str | None:
        """The settled id, see :meth:`freeze`."""
        found: str | None = self["options"].get("task_id")
        return found

    @property
    def parent_id(self) -> str | None:
        """The settled parent."""
        found: str | None = self["options"].get("parent_id")
        return found

    @property
    def root_id(self) -> str | None:
        """The settled root."""
        found: str | None = self["options"].get("root_id")
        return found

    def __json__(self) -> dict[str, Any]:
        return dict(self)

    def __reduce__(self) -> Any:
        return signature, (dict(self),)

    def __copy__(self) -> Signature:
        return self.from_dict(self, self._app)

    def __deepcopy__(self, memo: dict[int, Any]) -> Signature:
        return self.from_dict(copy.deepcopy(dict(self), memo), self._app)

    def __repr__(self) -> str:
        named = [f"{name}={value!r}" for name, value in self["kwargs"].items()]
        return f"{self['task']}({', '.join([*map(repr, self['args']), *named])})"


def signature(varies: Any, *args: Any, app: App | None = None, **kwargs: Any) -> Signature:
    """A signature of a task, of its name, or of the map that a signature was; a signature is copied."""
    if isinstance(varies, Mapping):
        if isinstance(varies, Signature):
            made = varies.clone()
            made._app = made._app or app
            return made
        return Signature.from_dict(varies, app)
    return Signature(varies, *args, **{"app": app, **kwargs})


def maybe_signature(value: Any, app: App | None = None) -> Signature | None:
    """``value`` as a signature that knows its app: a signature itself, a map made one, None kept."""
    if value is None:
        return None
    if not isinstance(value, Signature):
        return Signature.from_dict(value, app)
    value._app = value._app or app
    return value


def as_list(value: Any) -> list[Any]:
    """None as an empty list, one signature as a list of it, many as a new list."""
    if value is None:
        return []
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        return [value]
    return list(value)
