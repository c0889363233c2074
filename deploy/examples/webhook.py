"""Call a webhook as an e-mail platform does.

python deploy/examples/webhook.py URL SECRET
"""

import base64
import hmac
import json
import sys
import time
import urllib.request
import uuid

url, secret = sys.argv[1:]
opened = {"id": str(uuid.uuid4()), "email": "ana@example.com", "action": "opened_email", "metadata": {"mail": "spring"}}
body, call, now = json.dumps([opened]), f"msg_{uuid.uuid4().hex}", str(int(time.time()))
key = base64.b64decode(secret.removeprefix("whsec_"))
signature = base64.b64encode(hmac.digest(key, f"{call}.{now}.{body}".encode(), "sha256")).decode()
headers = {"webhook-id": call, "webhook-timestamp": now, "webhook-signature": f"v1,{signature}"}
request = urllib.request.Request(url, body.encode(), headers | {"content-type": "application/json"})
with urllib.request.urlopen(request) as answer:
    print(answer.status, answer.read().decode())
