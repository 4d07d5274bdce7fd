"""Makes a bucket and puts every file of a folder into it, below a prefix.

    fill_bucket.py ENDPOINT BUCKET FOLDER PREFIX

The credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import pathlib
import sys

import boto3
from botocore.config import Config


def main(endpoint: str, bucket: str, folder: str, prefix: str) -> None:
    config = Config(
        s3={"addressing_style": "path"}, proxies={}, request_checksum_calculation="when_required", retries={"max_attempts": 2}
    )
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)
    if bucket not in [known["Name"] for known in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=bucket)
    root = pathlib.Path(folder)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for path in files:
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{path.relative_to(root)}", Body=path.read_bytes())
    print(f"{len(files)} objects in {bucket}/{prefix}")


main(*sys.argv[1:])
