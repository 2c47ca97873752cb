"""Kubeconfig files as kubectl reads them: several files merged, the current context, paths resolved.

The rules are those of `clientcmd` in client-go. Fields that are null count as absent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from app.kubernetes.error_text import shorten
from app.kubernetes.overrides import NO_OVERRIDES, Overrides

# libyaml, if PyYAML was built with it, is ten times as fast.
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# A file of a hundred clusters has 3,000 values.
_MAX_VALUES, _MAX_DEPTH = 200_000, 100


class KubeconfigError(Exception):
    """A file or its content can't be used; the text is the reason."""


NO_USER = "as-uid, as-groups and as-user-extra need `as` (--as)"
_UNFIT_TAG = (LookupError, AttributeError, ArithmeticError)  # of PyYAML for `!!timestamp a`, for example
_NO_KUBECONFIG = (msgspec.ValidationError, yaml.YAMLError, ValueError, RecursionError, *_UNFIT_TAG)


class _Extension(msgspec.Struct, frozen=True):
    name: str = ""
    extension: Any = None


class Cluster(msgspec.Struct, frozen=True, rename="kebab"):
    """An API server; `data` fields are PEM in base64."""

    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: Sequence[_Extension] = ()


class _Variable(msgspec.Struct, frozen=True):
    name: str = ""
    value: str = ""


class ExecPlugin(msgspec.Struct, frozen=True, rename="camel"):
    """A program that prints credentials."""

    command: str = ""
    args: Sequence[str] = ()
    env: Sequence[_Variable] = ()
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"


class User(msgspec.Struct, frozen=True, rename="kebab"):
    """Credentials, and the identity to act as."""

    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    auth_provider: Mapping[str, Any] = {}
    exec_: ExecPlugin | None = msgspec.field(default=None, name="exec")
    as_: str = msgspec.field(default="", name="as")
    as_uid: str = ""
    as_groups: Sequence[str] = ()
    as_user_extra: Mapping[str, Sequence[str]] = {}

    def acting_as(self, overrides: Overrides) -> "User":
        """This user with another identity to act as; each field is replaced by itself, as in kubectl."""
        replaced = {
            name: value
            for name in ("as_", "as_uid", "as_groups", "as_user_extra")
            if (value := getattr(overrides, name))
        }
        return msgspec.structs.replace(self, **replaced)


class _Context(msgspec.Struct, frozen=True):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _NamedCluster(msgspec.Struct, frozen=True):
    name: str = ""
    cluster: Cluster = Cluster()


class _NamedUser(msgspec.Struct, frozen=True):
    name: str = ""
    user: User = User()


class _NamedContext(msgspec.Struct, frozen=True):
    name: str = ""
    context: _Context = _Context()


class Kubeconfig(msgspec.Struct, frozen=True, rename="kebab"):
    """The content of one file, or of several that are merged."""

    kind: str = "Config"
    clusters: Sequence[_NamedCluster] = ()
    users: Sequence[_NamedUser] = ()
    contexts: Sequence[_NamedContext] = ()
    current_context: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """The cluster, the user and the namespace of a context; the namespace is empty if it names none."""

    cluster: Cluster
    user: User
    namespace: str = ""


def parse(content: bytes, path: Path) -> Kubeconfig:
    """The content of the file *path*, with its relative paths resolved against its folder.

    Raises:
        KubeconfigError: it is no kubeconfig.
    """
    try:
        _check_size(content)
        document = _without_nulls(_load(content))
        if document is None:
            return Kubeconfig()
        config = msgspec.convert(document, Kubeconfig)
    except _NO_KUBECONFIG as error:
        raise KubeconfigError(f"it is no kubeconfig: {_reason(error)}") from error
    if config.kind != "Config":
        raise KubeconfigError(f"it is no kubeconfig, but an object of the kind {shorten(config.kind)}")
    folder = path.absolute().parent
    return msgspec.structs.replace(
        config,
        clusters=[
            msgspec.structs.replace(named, cluster=_resolved_cluster(named.cluster, folder))
            for named in config.clusters
        ],
        users=[
            msgspec.structs.replace(named, user=_resolved_user(named.user, folder)) for named in config.users
        ],
    )


def _load(content: bytes) -> object:
    loader = _Loader(content)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _check_size(content: bytes) -> None:
    """Raises KubeconfigError for too many values: with aliases of aliases, ten lines can mean billions."""
    values, begun = 0, list[tuple[str | None, int]]()
    values_of_anchors = dict[str, int]()
    for event in yaml.parse(content, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, values))
            if len(begun) > _MAX_DEPTH:
                raise RecursionError
            values += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            values_of_anchors |= {anchor: values - before} if anchor else {}
        elif isinstance(event, yaml.AliasEvent):
            values += values_of_anchors.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
        if values > _MAX_VALUES:
            raise KubeconfigError(f"it is no kubeconfig: it has more than {_MAX_VALUES:,} values")


def merge(configs: Iterable[Kubeconfig]) -> Kubeconfig:
    """Of entries with the same name, and of current contexts, the first one counts."""
    merged = Kubeconfig()
    for config in configs:
        merged = Kubeconfig(
            clusters=[*merged.clusters, *config.clusters],
            users=[*merged.users, *config.users],
            contexts=[*merged.contexts, *config.contexts],
            current_context=merged.current_context or config.current_context,
        )
    return merged


def login_of(config: Kubeconfig, overrides: Overrides = NO_OVERRIDES) -> Login:
    """The cluster, the user and the namespace of the current context, or of the one in *overrides*.

    Raises:
        KubeconfigError: one of them is missing, or kubectl would refuse it.
    """
    if not config.contexts:
        raise KubeconfigError("it defines no context")
    name = overrides.context or config.current_context
    if not name:
        raise KubeconfigError("no current-context is set: choose one with `kubectl config use-context`")
    wanted = f"the context {name!r}" if overrides.context else f"the current context {name!r}"
    context = _named(config.contexts, name, f"{wanted} is not defined").context
    missing = f"the cluster {context.cluster!r} of {wanted} is not defined"
    cluster = _named(config.clusters, context.cluster, missing).cluster
    if not cluster.server:
        raise KubeconfigError(f"the cluster {context.cluster!r} has no server")
    missing = f"the user {context.user!r} of {wanted} is not defined"
    user = _named(config.users, context.user, missing).user if context.user else User()
    user = user.acting_as(overrides)
    if fault := next(_faults(cluster, user), ""):
        raise KubeconfigError(f"in the user {context.user!r}, {fault}")
    return Login(cluster, user, context.namespace)


def _faults(cluster: Cluster, user: User) -> Iterator[str]:
    """The combinations that kubectl refuses."""
    if user.token and (user.username or user.password):
        yield "token and username are both set: only one is allowed"
    if (user.as_uid or user.as_groups or user.as_user_extra) and not user.as_:
        yield NO_USER
    has_certificate = user.client_certificate or user.client_certificate_data
    if has_certificate and not (user.client_key or user.client_key_data):
        yield "client-certificate needs client-key or client-key-data"
    if user.exec_ and user.auth_provider:
        yield "exec and auth-provider are both set: only one is allowed"
    if user.exec_ and not (user.exec_.command and user.exec_.api_version):
        yield "exec needs command and apiVersion"
    if cluster.insecure_skip_tls_verify and (
        cluster.certificate_authority or cluster.certificate_authority_data
    ):
        yield "the cluster has a certificate-authority and insecure-skip-tls-verify: remove one"


T = TypeVar("T", _NamedCluster, _NamedUser, _NamedContext)


def _named(entries: Sequence[T], name: str, missing: str) -> T:
    for entry in entries:
        if entry.name == name:
            return entry
    raise KubeconfigError(missing)


def _resolved_cluster(cluster: Cluster, folder: Path) -> Cluster:
    return msgspec.structs.replace(
        cluster, certificate_authority=_resolved(cluster.certificate_authority, folder)
    )


def _resolved_user(user: User, folder: Path) -> User:
    plugin = user.exec_
    # A command without a slash is looked up in PATH.
    if plugin and "/" in plugin.command:
        plugin = msgspec.structs.replace(plugin, command=_resolved(plugin.command, folder))
    return msgspec.structs.replace(
        user,
        client_certificate=_resolved(user.client_certificate, folder),
        client_key=_resolved(user.client_key, folder),
        token_file=_resolved(user.token_file, folder),
        exec_=plugin,
    )


def _resolved(path: str, folder: Path) -> str:
    return str(folder / path) if path else ""


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, _UNFIT_TAG):
        return "a value does not fit its tag"
    return shorten(str(error).partition("\n")[0])
