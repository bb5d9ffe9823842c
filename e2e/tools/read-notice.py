"""Reads one notice from standard input as others do, and prints what they understood as JSON.

Two readers: Python's own email package (as a mail client sees it: structure, decoded text, status fields) and
flufl.bounce (as a mailing list sees it: which addresses failed for good, which for now).
"""

import email
import email.policy
import json
import quopri
import sys

from flufl.bounce import all_failures


def status_blocks(part):
    """The groups of fields of a delivery-status part: the message's first, then one for each recipient."""
    if part.get_content_type() == "message/delivery-status":
        return [dict(block.items()) for block in part.get_payload() if block.items()]
    inner = part.get_payload(0).as_bytes()
    if part["content-transfer-encoding"] == "quoted-printable":
        inner = quopri.decodestring(inner)
    blocks = inner.replace(b"\r\n", b"\n").strip().split(b"\n\n")
    return [dict(email.message_from_bytes(block, policy=email.policy.SMTPUTF8).items()) for block in blocks]


def read(content):
    message = email.message_from_bytes(content, policy=email.policy.default)
    parts = message.get_payload()
    returned = parts[2].get_payload(0).as_bytes() if parts[2].is_multipart() else parts[2].get_payload(decode=True)
    if parts[2].is_multipart() and parts[2]["content-transfer-encoding"] == "quoted-printable":
        returned = quopri.decodestring(returned)
    nested = email.message_from_bytes(returned, policy=email.policy.default)
    body = nested.get_body(("plain",)) if parts[2].is_multipart() else None
    temporary, permanent = all_failures(email.message_from_bytes(content))
    return {
        "type": message.get_content_type(),
        "reportType": message.get_param("report-type"),
        "headers": {name.lower(): str(value) for name, value in message.items()},
        "parts": [part.get_content_type() for part in parts],
        "text": parts[0].get_content(),
        "status": status_blocks(parts[1]),
        "returned": {
            "headers": {name.lower(): str(value) for name, value in nested.items()},
            "body": None if body is None else body.get_content(),
        },
        "defects": [repr(defect) for part in message.walk() for defect in part.defects],
        "permanent": sorted(address.decode() for address in permanent),
        "temporary": sorted(address.decode() for address in temporary),
    }


json.dump(read(sys.stdin.buffer.read()), sys.stdout)
