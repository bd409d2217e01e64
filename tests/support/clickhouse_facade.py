"""ClickHouse's HTTP protocol over one chdb session: the engine is real, this transport is a stand-in.

Run by the interpreter of .tools/testservers: `python clickhouse_facade.py FOLDER PORT [PASSWORD]`. Queries run one at a
time. Only what clickhouse-connect sends is understood. The user `reader` may only read.
"""

import base64
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from chdb import session  # type: ignore[import-not-found] # of the other interpreter

SESSION = session.Session(sys.argv[1])
PASSWORD = sys.argv[3] if len(sys.argv) > 3 else ""
LOCK = threading.Lock()
INSERT = re.compile(r"^\s*insert\s+into\s+(.+?)\s+format\s+(\w+)\s*$", re.IGNORECASE | re.DOTALL)
FORMAT = re.compile(r"\bformat\s+(\w+)\s*;?\s*$", re.IGNORECASE)
READS = re.compile(r"\s*(select|with|show|describe|desc|explain|exists)\b", re.IGNORECASE)
# Parameters of the protocol; every other one is a setting of the query.
PROTOCOL = {"query", "database", "default_format", "session_id", "session_timeout", "query_id", "role"} | {
    "enable_http_compression", "http_zlib_compression_level", "client_protocol_version", "compress", "decompress",
    "wait_end_of_query", "buffer_size", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.answer_query(b"")

    def do_POST(self) -> None:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            self.answer_query(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            return
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.answer_query(body)

    def answer_query(self, body: bytes) -> None:
        url = urlsplit(self.path)
        if url.path == "/ping":
            self.reply(200, b"Ok.\n")
            return
        given = dict(parse_qsl(url.query, keep_blank_values=True))
        credentials = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if PASSWORD and credentials.partition(":")[2] != PASSWORD:
            self.reply(
                403, b"Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)", 516
            )
            return
        sql, data = given.get("query", ""), body
        if credentials.startswith("reader:") and not READS.match(sql or body.decode("utf-8", "replace")):
            self.reply(403, b"Code: 497. DB::Exception: reader: Not enough privileges. (ACCESS_DENIED)", 497)
            return
        if not sql:
            head = re.match(rb"^\s*insert\s+into\s+[^\n]+?format\s+\w+[ \t]*\n", body, re.IGNORECASE)
            sql, data = (head.group(0).decode(), body[head.end() :]) if head else (body.decode(), b"")
        try:
            with LOCK:
                self.reply(200, run(sql, data, given, self.headers.get("Content-Encoding", "")))
        except Exception as error:  # noqa: BLE001 - whatever the engine raises is the client's answer
            code = re.search(r"Code: (\d+)", str(error))
            self.reply(404 if code else 500, str(error).encode(), int(code.group(1)) if code else 1000)

    def reply(self, status: int, content: bytes, code: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-ClickHouse-Summary", '{"read_rows":"0","written_rows":"0"}')
        self.send_header("X-ClickHouse-Timezone", "UTC")
        if code:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.end_headers()
        self.wfile.write(content)


def run(sql: str, data: bytes, given: dict[str, str], encoding: str) -> bytes:
    if given.get("database"):
        SESSION.query(f"USE `{given['database']}`")
    changed = {k: v for k, v in given.items() if k not in PROTOCOL and not k.startswith("param_")}
    for name, value in changed.items():
        SESSION.query(f"SET {name} = {value!r}")
    try:
        insert = INSERT.match(sql)
        if insert:
            return _insert(insert.group(1), insert.group(2), data, encoding)
        chosen = given.get("default_format", "TabSeparated")
        asked = FORMAT.search(sql)
        if asked and READS.match(sql):
            chosen, sql = asked.group(1), sql[: asked.start()]
        parameters = {k[6:]: v for k, v in given.items() if k.startswith("param_")}
        result = SESSION.query(sql, chosen, params=parameters) if parameters else SESSION.query(sql, chosen)
        return bytes(result.bytes() if hasattr(result, "bytes") else result or b"")
    finally:
        for name in changed:
            SESSION.query(f"SET {name} = DEFAULT")


def _insert(target: str, form: str, data: bytes, encoding: str) -> bytes:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(data)
    try:
        how = {"gzip": "gz", "lz4": "lz4", "zstd": "zstd", "": "none"}[encoding]
        SESSION.query(f"INSERT INTO {target} SELECT * FROM file('{file.name}', {form}, 'auto', '{how}')")
    finally:
        Path(file.name).unlink()
    return b""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
