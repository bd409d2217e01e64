"""TLS in front of a server that speaks none, with a certificate of a private CA."""

import asyncio
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Rewrite = Callable[[bytes], bytes]


def private_ca(folder: Path) -> tuple[Path, Path]:
    """Return (the CA's certificate, certificate and key of a server on 127.0.0.1), as PEM files."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a private CA")])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a store")])
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)

    def made(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(began)
            .not_valid_after(began + datetime.timedelta(days=10))
        )  # fmt: skip

    ca = made(ca_name, ca_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = made(name, key.public_key()).add_extension(here, critical=False)
    files = folder / "ca.pem", folder / "server.pem"
    files[0].write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files[1].write_bytes(server.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM) + secret)
    return files


@contextmanager
def tls_front(
    certificate: Path,
    target: int,
    rewrite: Callable[[int], Rewrite] = lambda _port: lambda b: b,
    host: str = "127.0.0.1",
) -> Iterator[int]:
    """Yield a port that speaks TLS and forwards to `target`; `rewrite`, given the port, may change what comes back."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    loop = asyncio.new_event_loop()
    port = 0

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, change: Rewrite) -> None:
        with suppress(OSError):
            while piece := await source.read(65_536):
                sink.write(change(piece))
                await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, target)
        await asyncio.gather(pump(reader, back, lambda b: b), pump(there, writer, rewrite(port)))

    async def start() -> int:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        return int(server.sockets[0].getsockname()[1])

    # What a client that refuses the certificate leaves behind is no news.
    loop.set_exception_handler(lambda *_: None)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
