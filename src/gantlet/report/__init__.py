"""What a run leaves for people: its log, its progress line, its page, its tables; imports no torch."""

from gantlet.report.log import RunLog, read_log
from gantlet.report.page import write_report
from gantlet.report.show import table
from gantlet.report.status import Status, choose_status
from gantlet.report.trackers import Tracker, tensorboard_tracker, wandb_tracker

__all__ = [
    "RunLog",
    "Status",
    "Tracker",
    "choose_status",
    "read_log",
    "table",
    "tensorboard_tracker",
    "wandb_tracker",
    "write_report",
]
