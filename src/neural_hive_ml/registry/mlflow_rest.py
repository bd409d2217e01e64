"""MLflow's registry over plain HTTP: resolve an alias, fetch an artifact. No mlflow, no pandas.

Uses three routes of MLflow 3's REST: ``registered-models/alias``, ``model-versions/get-download-uri`` and the
artifact proxy ``mlflow-artifacts/artifacts``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.errors import ArtifactRefused, NotFound, RegistryUnavailable
from neural_hive_ml.registry.files import Checked, check_directory, gather
from neural_hive_ml.registry.port import ARTIFACT_PATH, DIGEST_TAG, Published
from neural_hive_ml.tls import MLFLOW_CA, untrusted_remedy, verifying

if TYPE_CHECKING:
    import httpx

# Together below the 5 s within which a service must know that the registry does not answer.
_CONNECT_SECONDS = 2.0
_READ_SECONDS = 2.5
_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True, slots=True)
class MlflowRestSource:
    """An MLflow server as a `ModelSource`."""

    uri: str
    username: str = ""
    password: str = ""
    ca_file: str = ""

    def describe(self) -> str:
        return f"MLflow at {self._where}"

    @property
    def _where(self) -> str:
        parts = urlsplit(self.uri)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def current(self, name: str, alias: str = CHAMPION) -> Published | None:
        with self._client() as client:
            answer = self._get(client, f"{_API}/registered-models/alias", {"name": name, "alias": alias})
            if answer is None:
                return None
            version = answer["model_version"]
            number = str(version["version"])
            where = self._get(client, f"{_API}/model-versions/get-download-uri", {"name": name, "version": number})
        if where is None:
            return None
        tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
        digest = tags.get(DIGEST_TAG, "")
        if not digest:
            raise ArtifactRefused(
                f"{name} version {number} has no tag {DIGEST_TAG}: it was not registered by this system",
                remedy=f"hive-ml models promote {name} VERSION",
            )
        return Published(name, int(number), digest, alias, str(where["artifact_uri"]))

    def read(self, published: Published) -> Checked:
        parts = urlsplit(published.location)
        if parts.scheme in {"", "file"}:
            local = Path(parts.path) / ARTIFACT_PATH
            if not local.is_dir():
                raise NotFound(
                    f"{published.name} version {published.version} lies in {local}, which is not on this machine",
                    remedy="start MLflow with --artifacts-destination, so that it serves artifacts",
                )
            return check_directory(local, expected_digest=published.digest)
        if parts.scheme != "mlflow-artifacts":
            raise NotFound(
                f"{published.name} version {published.version} lies in {parts.scheme}:, not proxied",
                remedy="start MLflow with --artifacts-destination, so that it serves artifacts",
            )
        root = f"{parts.path.strip('/')}/{ARTIFACT_PATH}"
        with self._client() as client:
            return gather(
                lambda path, limit: self._file(client, f"{root}/{path}", limit),
                f"{self._where}/{root}",
                expected_digest=published.digest,
            )

    def _client(self) -> "httpx.Client":
        import httpx

        return httpx.Client(
            base_url=self._where.rstrip("/"),
            auth=self._auth(),
            timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            headers={"user-agent": "neural-hive-ml"},
            verify=verifying(self.ca_file, MLFLOW_CA),
        )

    def _auth(self) -> tuple[str, str] | None:
        parts = urlsplit(self.uri)
        if self.username:
            return self.username, self.password
        return (parts.username, parts.password or "") if parts.username else None

    def _get(self, client: "httpx.Client", route: str, query: dict[str, str]) -> dict[str, Any] | None:
        import httpx

        try:
            response = client.get(route, params=query)
            document = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise self._unavailable(error) from error
        if response.is_success and isinstance(document, dict):
            return document
        code = document.get("error_code", "") if isinstance(document, dict) else ""
        if response.status_code in {400, 404} and code in _ABSENT:
            return None
        raise self._refused(response)

    def _file(self, client: "httpx.Client", path: str, limit: int) -> bytes:
        import httpx

        content = bytearray()
        try:
            with client.stream("GET", f"{_ARTIFACTS}/{quote(path)}") as response:
                if response.status_code in {404, 500}:  # MLflow answers 500 for a file that is not there
                    raise NotFound(f"{self._where} does not have {path}")
                if not response.is_success:
                    raise self._refused(response)
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > limit:
                        break
        except httpx.HTTPError as error:
            raise self._unavailable(error) from error
        return bytes(content)

    def _unavailable(self, error: Exception) -> RegistryUnavailable:
        return RegistryUnavailable(
            f"MLflow at {self._where} does not answer: {type(error).__name__}: {error}",
            remedy=untrusted_remedy(error)
            or "look at MLFLOW_TRACKING_URI and at the server; the last known good models serve meanwhile",
        )

    def _refused(self, response: "httpx.Response") -> RegistryUnavailable:
        remedy = {
            401: "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            403: "start MLflow with --allowed-hosts for the name you use, or look at the user's permissions",
        }.get(response.status_code, "look at the server's log")
        return RegistryUnavailable(f"MLflow at {self._where} answered {response.status_code}", remedy=remedy)
