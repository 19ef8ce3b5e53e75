"""`flask doctor`: what is wrong with this installation, and what to do about it."""

import json
import os
from dataclasses import asdict

import click
from flask import Flask
from flask.cli import ScriptInfo, with_appcontext

from user_service.checks.configuration import check_configuration
from user_service.checks.database import check_services
from user_service.checks.finding import Finding, Severity, error
from user_service.runtime import runtime

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
NODES_OPTION = click.option(
    "--nodes", type=click.IntRange(1), default=1, show_default=True, help="How many nodes share the database."
)


@click.command("doctor")
@NODES_OPTION
@JSON_OPTION
@with_appcontext
def doctor(nodes: int, as_json: bool) -> None:
    """Look for what is wrong with this installation; exit code 1 when there is an error.

    It works while the database is down and the configuration is faulty, and changes nothing.
    """
    settings = runtime().settings
    app = click.get_current_context().ensure_object(ScriptInfo).load_app()
    _report([*check_configuration(app, settings, os.environ), *check_services(settings, nodes=nodes)], as_json)


def create_patient(faults: list[str]) -> Flask:
    """What stands in for an application whose configuration has faults: the doctor, who lists them."""
    app = Flask("user_service", static_folder=None)

    @app.cli.command("doctor")
    @NODES_OPTION
    @JSON_OPTION
    def listing(nodes: int, as_json: bool) -> None:  # noqa: ARG001  # the same options
        """List the faults of the configuration."""
        _report([error("configuration", fault, "Correct it; nothing starts before.") for fault in faults], as_json)

    return app


def _report(findings: list[Finding], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.severity:8} {finding.what}\n         {finding.remedy}")
        click.echo(_summary(findings))
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise click.exceptions.Exit(1)


def _summary(findings: list[Finding]) -> str:
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    return f"{errors} errors, {len(findings) - errors} warnings." if findings else "Nothing is wrong."
