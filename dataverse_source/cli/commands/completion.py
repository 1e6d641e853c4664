"""``dataverse-source completion``: what makes a shell complete commands and options."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL: eval "$(dataverse-source completion bash)"."""
    from click.shell_completion import get_completion_class

    root = ctx.find_root()
    name = str(root.info_name)
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    variable = f"_{name}_COMPLETE".replace("-", "_").upper()
    click.echo(made(root.command, {}, name, variable).source())
