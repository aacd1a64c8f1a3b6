# Counts in the store, through the API, twice a second. Its check looks whether it has ever done so.
api=http://127.0.0.1:$1
rm -f beat
trap 'rm -f beat; exit 0' TERM
count=0
while :; do
  count=$((count + 1))
  python3 - "$api/count" "$count" <<'PUT' && date >beat
import sys, urllib.request
print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], sys.argv[2].encode(), method="PUT"), timeout=5).read().decode())
PUT
  sleep 0.5
done
