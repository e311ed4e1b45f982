"""Calls the backup operations of the clusters that standard input lists, with azure.servicefabric.

Each line of the input is a cluster as JSON: its URL, its partitions by what was done with them, and for TLS the
files with its authority and a client certificate. For each line, the output has a line with the results: a JSON
object from the names of the calls to what they returned.
"""

import json
import sys
from datetime import datetime, timezone

from azure.servicefabric import ServiceFabricClientAPIs
from azure.servicefabric import models
from msrest.authentication import Authentication

FIELDS = ("backup_id", "backup_chain_id", "application_name", "service_name", "partition_information",
          "backup_location", "backup_type", "epoch_of_last_backup_record", "lsn_of_last_backup_record",
          "creation_time_utc")


def result_of(call):
    """Returns what a call returned, or what its error says, in one line."""
    try:
        return call()
    except models.FabricErrorException as failed:
        # If the client cannot read the body, the error is another one, without a code.
        code = failed.error.error.code if isinstance(failed.error, models.FabricError) else "no code"
        return "error %d, %s" % (failed.response.status_code, code)
    except Exception as failed:  # pylint: disable=broad-except # the table shows whatever a client raises
        cause = getattr(failed, "inner_exception", None) or failed
        return type(cause).__name__


def progress(info):
    """Describes a progress."""
    if info is None:
        return "None"
    text = str(info.backup_state)
    if info.lsn_of_last_backup_record is not None:
        text += ", LSN 0" if info.lsn_of_last_backup_record == "0" else ", an LSN"
    if info.failure_error is not None:
        text += ", %s" % info.failure_error.code
    return text


def backups(page):
    """Describes a page."""
    missing = [field for field in FIELDS for item in page.items if getattr(item, field) is None]
    return "%d backups" % len(page.items) + "".join(", without " + field for field in missing)


def pages(get_page):
    """Follows continuation tokens, as their documentation says, and describes the pages."""
    sizes, token = [], None
    while True:
        page = get_page(token)
        sizes.append(str(len(page.items)))
        token = page.continuation_token
        if not token:
            return "pages of " + ", ".join(sizes)
        if len(sizes) == 5:
            return "pages of " + ", ".join(sizes) + " and so on"


def results(cluster):
    client = ServiceFabricClientAPIs(Authentication(), base_url=cluster["URL"])
    if cluster["Authority"]:
        client.config.connection.verify = cluster["Authority"]
    if cluster["Certificate"]:
        client.config.connection.cert = cluster["Certificate"]
    client.config.retry_policy.retries = 0  # the table shows the first response
    partitions = cluster["Partitions"]
    share = models.FileShareBackupStorageDescription(path="\\\\server\\share")
    container = models.AzureBlobBackupStorageDescription(
        connection_string="DefaultEndpointsProtocol=https;AccountName=a;AccountKey=eA==", container_name="c")
    hours = {
        "start_date_time_filter": datetime(2026, 1, 1, 1, tzinfo=timezone.utc),
        "end_date_time_filter": datetime(2026, 1, 1, 2, tzinfo=timezone.utc),
    }

    def backup(partition, **options):
        client.backup_partition(partitions[partition], **options)
        return "accepted"

    def progress_of(partition):
        return progress(client.get_partition_backup_progress(partitions[partition]))

    def of_partition(partition, **options):
        return backups(client.get_partition_backup_list(partitions[partition], **options))

    def of_service(service, **options):
        return backups(client.get_service_backup_list(service, **options))

    def pages_of(service):
        return pages(lambda token: client.get_service_backup_list(service, continuation_token=token, max_results=2))

    calls = {
        "BackupPartition: to the storage of the policy": lambda: backup("first"),
        "BackupPartition: to a file share": lambda: backup("second", backup_storage=share),
        "BackupPartition: to Azure blob storage": lambda: backup("third", backup_storage=container),
        "BackupPartition: while another backup runs": lambda: backup("accepted"),
        "BackupPartition: an unknown partition": lambda: backup("unknown"),
        "GetPartitionBackupProgress: before the first backup": lambda: progress_of("never"),
        "GetPartitionBackupProgress: accepted": lambda: progress_of("accepted"),
        "GetPartitionBackupProgress: succeeded": lambda: progress_of("succeeded"),
        "GetPartitionBackupProgress: failed": lambda: progress_of("failed"),
        "GetPartitionBackupProgress: an unknown partition": lambda: progress_of("unknown"),
        "GetPartitionBackupList: all": lambda: of_partition("listed"),
        "GetPartitionBackupList: the latest": lambda: of_partition("listed", latest=True),
        "GetPartitionBackupList: of an hour": lambda: of_partition("listed", **hours),
        "GetPartitionBackupList: without a policy": lambda: of_partition("unprotected"),
        "GetPartitionBackupList: an unknown partition": lambda: of_partition("unknown"),
        "GetServiceBackupList: all": lambda: of_service("Share/Service"),
        "GetServiceBackupList: all, by the name with ~": lambda: of_service("Share~Service"),
        "GetServiceBackupList: the latest": lambda: of_service("Share/Service", latest=True),
        "GetServiceBackupList: of an hour": lambda: of_service("Share/Service", **hours),
        "GetServiceBackupList: by pages of 2, a file share": lambda: pages_of("Share/Service"),
        "GetServiceBackupList: by pages of 2, Azure blob storage": lambda: pages_of("Container/Service"),
        "GetServiceBackupList: by pages of 2, no backups": lambda: pages_of("Empty/Service"),
        "GetServiceBackupList: an unknown service": lambda: of_service("Nope/Service"),
    }
    return {name: result_of(call) for name, call in calls.items()}


for line in sys.stdin:
    print(json.dumps(results(json.loads(line))), flush=True)
