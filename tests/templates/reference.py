"""Renders chat templates as Hugging Face's transformers do: Jinja2 with the same settings and additions."""

import datetime
import json

import jinja2
import jinja2.ext
import jinja2.sandbox


class Generation(jinja2.ext.Extension):
    """{% generation %}…{% endgeneration %}: what is between them, rendered like a call's block."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


class Refused(Exception):
    """What a template says with raise_exception."""


def raise_exception(message):
    raise Refused(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment(date):
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.filters["from_json"] = json.loads  # not Hugging Face's; three makers of models rely on it
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: datetime.datetime.fromisoformat(date).strftime(form)
    return env


def render(text, messages, tools, prompt, bos, eos, date):
    """("text", what the template makes), ("refused", what it says) or ("failed", why)."""
    try:
        template = environment(date).from_string(text)
        return "text", template.render(
            messages=messages,
            tools=tools,
            documents=None,
            add_generation_prompt=prompt,
            bos_token=bos,
            eos_token=eos,
        )
    except Refused as refusal:
        return "refused", str(refusal)
    except Exception as error:  # whatever Python raises in a template
        return "failed", f"{type(error).__name__}: {error}"
