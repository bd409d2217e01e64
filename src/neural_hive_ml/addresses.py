"""Addresses of services as they may be shown: without credentials, and without options, which may be credentials too."""

import re
from typing import Final

_QUOTED: Final = re.compile(r"(['\"]).*\1", re.DOTALL)


def mask(text: str) -> str:
    """Hide the credentials and the options of a URI; a text that is no URI stays as it is.

    >>> mask("mongodb://user:pass@mongodb:27017/db?tls=true&tlsCertificateKeyFilePassword=secret")
    'mongodb://***@mongodb:27017/db?***'
    >>> mask("plain text")
    'plain text'
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    # Up to the last @, whatever lies before it: a password that was not escaped may hold any sign of a URI.
    before, at, place = rest.rpartition("@")
    if "=" in before.partition("?")[2]:
        # The @ may lie in an option, or the option in a password: nothing of it is safe to show.
        return f"{scheme}://***"
    place, options, _ = place.partition("?")
    return f"{scheme}://{'***@' if at else ''}{place}{'?***' if options else ''}"


def hosts_of(uri: str) -> str:
    """Return the scheme and the hosts of a URI, masked.

    >>> hosts_of("mongodb://user:pass@a:1,b:2/db?replicaSet=r")
    'mongodb://***@a:1,b:2'
    """
    scheme, _, rest = mask(uri).partition("://")
    return f"{scheme}://{re.split('[/?]', rest, maxsplit=1)[0]}"


def unquoted(error: Exception) -> str:
    """Return what a driver says of an address without what it quotes: of a password with a / it quotes a half.

    >>> unquoted(ValueError("Port could not be cast to integer value as 'hunter2'"))
    'Port could not be cast to integer value as ***'
    """
    return _QUOTED.sub("***", str(error))
