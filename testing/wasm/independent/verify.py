"""A second implementation of what a caller checks: receipts, the log's proofs, commitments. Nothing of ours but the format.

Reads a JSON list of checks from standard input, each an object with `kind` and what it needs, and writes the list of verdicts
(true or false). Ed25519 is python3-cryptography's, proofs are checked by the definitions of RFC 9162 and not by its algorithms.
"""

import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FIELDS = {
    "request_id": str, "kid": str, "program": str, "arguments": str, "result": (str, type(None)), "commitment_scheme": str,
    "gas_used": str, "gas_exact": bool, "gas_schedule": str, "engine": str, "status": str, "started_at": int, "ended_at": int,
    "prev_hash": str, "index": int,
}


def unbase64url(text):
    if "=" in text or "+" in text or "/" in text:
        raise ValueError("no base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload_of(jws, host_key, typ):
    head, payload, signature = jws.split(".")
    header = json.loads(unbase64url(head))
    if header["alg"] != "EdDSA" or header["typ"] != typ or host_key["crv"] != "Ed25519":
        raise ValueError("another kind of signature")
    key = Ed25519PublicKey.from_public_bytes(unbase64url(host_key["x"]))
    key.verify(unbase64url(signature), f"{head}.{payload}".encode())
    return json.loads(unbase64url(payload))


def receipt(check):
    content = payload_of(check["jws"], check["host_key"], "whv-receipt+jws")
    if set(content) != set(FIELDS) or not all(isinstance(content[name], kind) for name, kind in FIELDS.items()):
        raise ValueError("other fields")
    return content == check.get("content", content)


def head(check):
    content = payload_of(check["head"]["jws"], check["host_key"], "whv-head+jws")
    return all(content[name] == check["head"][name] for name in ("size", "root", "timestamp"))


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaf(jws):
    return hashlib.sha256(b"\x00" + jws.encode()).digest()


def split(size):
    return 1 << ((size - 1).bit_length() - 1)


def root_from(hash_, index, size, path):
    """RFC 9162 2.1.3: PATH(m, D[n]) ends with the sibling nearest to the root."""
    if size == 1:
        if path:
            raise ValueError("too long")
        return hash_
    middle = split(size)
    *inner, sibling = path
    if index < middle:
        return node(root_from(hash_, index, middle, inner), sibling)
    return node(sibling, root_from(hash_, index - middle, size - middle, inner))


def inclusion(check):
    proof = check["proof"]
    if not 0 <= proof["index"] < proof["size"]:
        return False
    path = [bytes.fromhex(text) for text in proof["hashes"]]
    return root_from(leaf(check["jws"]), proof["index"], proof["size"], path).hex() == proof["root"]


def roots_from(count, size, path, whole, old):
    """RFC 9162 2.1.4: SUBPROOF(m, D[n], b); the roots over the first `count` and over all leaves of this subtree."""
    if count == size:
        if whole:
            if path:
                raise ValueError("too long")
            return old, old
        (only,) = path
        return only, only
    middle = split(size)
    *inner, sibling = path
    if count <= middle:
        small, large = roots_from(count, middle, inner, whole, old)
        return small, node(large, sibling)
    small, large = roots_from(count - middle, size - middle, inner, False, old)
    return node(sibling, small), node(sibling, large)


def consistency(check):
    count, size = check["from"]["size"], check["to"]["size"]
    if not 0 < count <= size:
        return False
    old = bytes.fromhex(check["from"]["root"])
    small, large = roots_from(count, size, [bytes.fromhex(text) for text in check["hashes"]], True, old)
    return small == old and large.hex() == check["to"]["root"]


def chain(check):
    """Each receipt names the one before: SHA-256 of a zero byte and its signed text."""
    before = "0" * 64
    for position, jws in enumerate(check["receipts"]):
        content = payload_of(jws, check["host_key"], "whv-receipt+jws")
        if content["prev_hash"] != before or content["index"] != position:
            return False
        before = leaf(jws).hex()
    return True


def commitment(check):
    content = base64.b64decode(check["content"], validate=True)
    text = b"whv/commit/v1/" + check["type"].encode() + b"\x00" + bytes.fromhex(check["salt"]) + content
    return hashlib.sha256(text).hexdigest() == check["commitment"]


KINDS = {one.__name__: one for one in (receipt, head, inclusion, consistency, chain, commitment)}


def verdict(check):
    try:
        return KINDS[check["kind"]](check)
    except (InvalidSignature, ValueError, TypeError):
        return False


json.dump([verdict(check) for check in json.load(sys.stdin)], sys.stdout)
