"""Ask the API for its items once a second and say what is in stock."""

import json
import sys
import time
import urllib.request

url = sys.argv[1]
for turn in range(1, sys.maxsize):
    with urllib.request.urlopen(f"{url}/items", timeout=5) as answer:
        stock = {item["name"]: item["stock"] for item in json.load(answer)}
    print(f"turn {turn}: {sum(stock.values())} pieces of {', '.join(stock)}")
    time.sleep(1)
