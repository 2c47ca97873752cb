"""Address, TLS, proxy and credentials of the API server: from a kubeconfig, else of the service account."""

import base64
import binascii
import os
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import ascii_letters, digits
from urllib.parse import quote, urlsplit

from app.errors import SettingsError
from app.kubernetes.authentication import (
    Authentication,
    ClientTls,
    FixedAuthentication,
    LibraryAuthentication,
    PluginAuthentication,
    TokenFile,
    basic,
    load_certificate,
)
from app.kubernetes.client_library import (
    ConfigException,
    Configuration,
    KubeConfigLoader,
    load_incluster_config,
)
from app.kubernetes.error_text import CredentialsError
from app.kubernetes.kubeconfig import (
    NO_USER,
    Cluster,
    Kubeconfig,
    KubeconfigError,
    Login,
    User,
    login_of,
    merge,
    parse,
)
from app.kubernetes.overrides import NO_OVERRIDES, Overrides
from app.proxies import Proxy, environment_proxy
from app.small_files import read_small_file

_REMEDY = "set KUBECONFIG (--kubeconfig) to the path of a kubeconfig"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")
_MAX_BYTES = 16 * 1024 * 1024
# The characters of a header's name but for %, which escapes the others.
_NAME_CHARACTERS = "!#$&'*+-.^_`|~" + ascii_letters + digits


@dataclass(frozen=True, slots=True)
class ApiServer:
    """All that requests to an API server need; `headers` are those of impersonation."""

    url: str
    authentication: Authentication
    tls: ClientTls | None = None
    server_name: str | None = None
    proxy: Proxy | None = None
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clock of waiting times, and that of expirations, in seconds since the epoch."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


async def find_api_server(
    kubeconfig: str | None,
    environment: Mapping[str, str] = os.environ,
    clocks: Clocks = Clocks(),
    overrides: Overrides = NO_OVERRIDES,
) -> ApiServer:
    """The API server of *kubeconfig* or, without it, of the cluster that this Pod runs in.

    Raises:
        SettingsError: no usable credentials; the text names the faulty file or setting.
    """
    if not kubeconfig:
        return _of_service_account(environment, overrides)
    with _naming(kubeconfig):
        server = await _of_login(login_of(_read(kubeconfig), overrides), environment, clocks)
        await server.authentication.current()
    return server


def context_namespace(kubeconfig: str, overrides: Overrides = NO_OVERRIDES) -> str:
    """The namespace that the context of *kubeconfig* names; empty if it names none.

    Raises:
        SettingsError: the kubeconfig can't be used.
    """
    with _naming(kubeconfig):
        return login_of(_read(kubeconfig), overrides).namespace


def context_name(kubeconfig: str, overrides: Overrides = NO_OVERRIDES) -> str:
    """The name of the context of *kubeconfig* that counts.

    Raises:
        SettingsError: the kubeconfig can't be used.
    """
    with _naming(kubeconfig):
        return overrides.context or _read(kubeconfig).current_context


@contextmanager
def _naming(kubeconfig: str) -> Iterator[None]:
    """Turns errors of a kubeconfig into a SettingsError that names it."""
    try:
        yield
    except (KubeconfigError, CredentialsError) as error:
        raise SettingsError([f"the kubeconfig {kubeconfig} can't be used: {error}; {_REMEDY}"]) from error


def _read(kubeconfig: str) -> Kubeconfig:
    """The files of *kubeconfig*, which may list several paths as in kubectl; missing ones are left out."""
    configs = []
    for text in filter(None, kubeconfig.split(os.pathsep)):
        path = Path(text)
        try:
            configs.append(_read_file(path.expanduser()))
        except FileNotFoundError:
            continue
        # RuntimeError: there is no such user. ValueError: the path has a null byte.
        except (KubeconfigError, OSError, RuntimeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise KubeconfigError(f"{path}: {reason}") from error
    if not configs:
        raise KubeconfigError("no such file")
    return merge(configs)


def _read_file(path: Path) -> Kubeconfig:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise KubeconfigError(f"it is no kubeconfig: it has more than {_MAX_BYTES // 2**20} MiB")
    return parse(content, path)


async def _of_login(login: Login, environment: Mapping[str, str], clocks: Clocks) -> ApiServer:
    cluster, user = login.cluster, login.user
    url = _url(cluster, user)
    tls = ClientTls(partial(_tls_context, cluster, user)) if url.startswith("https://") else None
    proxy = _proxy(cluster, url, environment)
    return ApiServer(
        url,
        await _authentication(login, tls, clocks),
        tls,
        cluster.tls_server_name or None,
        proxy,
        impersonation_headers(user),
    )


def _url(cluster: Cluster, user: User) -> str:
    """The URL of the server; without a scheme it is https if anything of TLS is configured, as in kubectl."""
    server = cluster.server.strip().rstrip("/")
    if "://" in server:
        return _checked_url(server)
    has_tls = (
        cluster.certificate_authority
        or cluster.certificate_authority_data
        or cluster.insecure_skip_tls_verify
        or user.client_certificate
        or user.client_certificate_data
    )
    return _checked_url(f"{'https' if has_tls else 'http'}://{server}")


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # for example, the port is no number
        is_usable = False
    if not is_usable:
        raise KubeconfigError(f"the server {url!r} is no URL with http:// or https://")
    return url


def _proxy(cluster: Cluster, url: str, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy-url of the cluster, which counts for every host, or else that of the environment."""
    if cluster.proxy_url:
        return Proxy.checked("proxy-url", cluster.proxy_url, url)
    return environment_proxy(url, environment)


async def _authentication(login: Login, tls: ClientTls | None, clocks: Clocks) -> Authentication:
    """The token file, then the text of the user; a plug-in or provider only without these."""
    user = login.user
    if user.token_file:
        return TokenFile(user.token_file, user.token, clocks.monotonic)
    if text := _fixed_authorization(user):
        return FixedAuthentication(text)
    has_certificate = user.client_certificate or user.client_certificate_data
    if user.exec_ and not has_certificate:
        return PluginAuthentication(user.exec_, login.cluster, tls, clocks.wall)
    return await _provider_authentication(login) if user.auth_provider else FixedAuthentication("")


def _fixed_authorization(user: User) -> str:
    if user.token:
        return f"Bearer {user.token.strip()}"
    return basic(user.username, user.password) if user.username or user.password else ""


async def _provider_authentication(login: Login) -> Authentication:
    """The token of an `auth-provider`, such as OpenID Connect, which the client library obtains."""
    document = {
        "clusters": [{"name": "cluster", "cluster": {"server": login.cluster.server}}],
        "users": [{"name": "user", "user": {"auth-provider": dict(login.user.auth_provider)}}],
        "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": "context",
    }
    configuration = Configuration()
    try:
        loader = KubeConfigLoader(document, config_base_path="")
        await loader.load_and_set(configuration)
    except Exception as error:  # the library raises arbitrary exceptions
        raise CredentialsError(f"auth-provider: {error}") from error
    configuration.refresh_api_key_hook = loader.load_and_set
    return LibraryAuthentication(configuration)


def impersonation_headers(user: User) -> list[tuple[str, str]]:
    """The identity to act as; the keys of as-user-extra are escaped as in client-go."""
    headers = [("Impersonate-User", user.as_), ("Impersonate-Uid", user.as_uid)]
    headers += [("Impersonate-Group", group) for group in user.as_groups]
    headers += [
        (f"Impersonate-Extra-{quote(key, safe=_NAME_CHARACTERS)}", value)
        for key, values in user.as_user_extra.items()
        for value in values
    ]
    return [(name, value) for name, value in headers if value]


def _tls_context(cluster: Cluster, user: User) -> ssl.SSLContext:
    """Trusts the CA of the cluster, or else the public CAs; presents the client certificate of the user."""
    context = _trusting(_data_or_file(cluster, "certificate_authority"))
    if cluster.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate := _data_or_file(user, "client_certificate"):
        try:
            load_certificate(context, certificate, _data_or_file(user, "client_key"))
        except OSError as error:  # an SSLError is one
            raise KubeconfigError(f"client-certificate and client-key: {error}") from error
    return context


def _trusting(authority: bytes) -> ssl.SSLContext:
    """Trusts each certificate of *authority* by itself and without key identifiers, as Go's programs do."""
    certificates = b"\n".join(_CERTIFICATE.findall(authority)).decode("ascii", errors="replace")
    if authority and not certificates:
        raise KubeconfigError("the CA file has no certificate")
    try:
        context = ssl.create_default_context(cadata=certificates or None)
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(f"a certificate in the CA file can't be read: {error}") from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _data_or_file(source: Cluster | User, field: str) -> bytes:
    """The content of a pair of fields: `FIELD-data` in base64 comes before the path in `FIELD`."""
    data, path, name = getattr(source, f"{field}_data"), getattr(source, field), field.replace("_", "-")
    try:
        if data:
            return base64.b64decode("".join(data.split()), validate=True)
        return read_small_file(path) if path else b""
    except binascii.Error as error:
        raise KubeconfigError(f"{name}-data is no base64: {error}") from error
    except OSError as error:
        raise KubeconfigError(f"{name} {path}: {error.strerror}") from error


def _of_service_account(environment: Mapping[str, str], overrides: Overrides) -> ApiServer:
    if overrides.context:
        raise SettingsError([f"--context is {overrides.context!r}, and there is no kubeconfig; {_REMEDY}"])
    acting = User().acting_as(overrides)
    if impersonation_headers(acting) and not acting.as_:
        raise SettingsError([NO_USER])
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # upstream
        authority = read_small_file(configuration.ssl_ca_cert or "")
        tls = ClientTls(partial(_trusting, authority))
    except (ConfigException, KubeconfigError, OSError) as error:
        fault = f"there is no service account ({error}) and no kubeconfig"
        raise SettingsError([f"no credentials for the API server: {fault}; {_REMEDY}"]) from error
    url = str(configuration.host)
    return ApiServer(
        url,
        LibraryAuthentication(configuration),
        tls,
        proxy=environment_proxy(url, environment),
        headers=impersonation_headers(acting),
    )
