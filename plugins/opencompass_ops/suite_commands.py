"""The commands for suites: ``publish`` and ``suites``."""

from __future__ import annotations

import argparse


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the two commands; each sets ``command``, a function from the parsed arguments to the exit code."""
    publish = commands.add_parser("publish", help="freeze a suite's config, image and allow-list under a version")
    publish.add_argument("suite", metavar="SUITE", help="name of include/configs/suites/SUITE.py")
    publish.add_argument("--version", default="", metavar="NAME", help="default: the next whole number")
    publish.set_defaults(command=_publish)
    suites = commands.add_parser("suites", help="the published suites and what members may set")
    suites.set_defaults(command=_suites)


def _publish(arguments: argparse.Namespace) -> int:
    from opencompass_ops.publishing import publish

    suite, file = publish(arguments.suite, arguments.version)
    print(f"published {suite} as {file}; open for {', '.join(suite.allow) or 'nothing'}")
    if suite.image and "@sha256:" not in suite.image:
        print(f"warning: image {suite.image} is a tag, which may move; name it with its @sha256: digest")
    return 0


def _suites(_: argparse.Namespace) -> int:
    from opencompass_ops.suites import published_suites, read_published, versions

    for name in published_suites():
        for version in versions(name):
            suite = read_published(f"{name}@{version}")
            print(f"{suite}  {suite.published}  by {suite.by}  open for {', '.join(suite.allow) or 'nothing'}")
    return 0
