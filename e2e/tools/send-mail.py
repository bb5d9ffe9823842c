"""Sends the mail on standard input as Python programs do: send_message decides about SMTPUTF8 and BODY=8BITMIME.

Arguments: host, port, sender, recipients. The conversation goes to standard error.
"""

import email
import email.policy
import smtplib
import sys

host, port, sender, *recipients = sys.argv[1:]
message = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.SMTPUTF8.clone(cte_type="8bit"))
with smtplib.SMTP(host, int(port), timeout=30) as server:
    server.set_debuglevel(1)
    refused = server.send_message(message, sender, recipients)
sys.exit(1 if refused else 0)
