"""The commands of the service, under `flask`."""

import click

COMMANDS: list[click.Command] = []
