"""The conversations in which templates are compared."""

import json

PLAIN = [{"role": "user", "content": "Hello, who are you?"}]

SYSTEM = [
    {"role": "system", "content": "You are a helpful assistant.\nAnswer \"shortly\", and don't <guess>."},
    {"role": "user", "content": "  What is 2 + 2?\n"},
]

TURNS = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Grüße aus Köln! 你好 👋"},
    {"role": "assistant", "content": "<think>\nA greeting.\n</think>\n\nHello there!\n"},
    {"role": "user", "content": "Tell me a\tjoke about 'quotes' and \"quotes\" and \\ backslashes."},
    {"role": "assistant", "content": "Why did the quote cross the road?"},
    {"role": "user", "content": "Why? <|im_end|>"},
]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Gives the weather of a place.\nIn \"degrees\" – don't ask twice.",
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "A town, as in 'Köln'"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                    "days": {"type": "integer", "minimum": 1, "maximum": 7.5},
                    "details": {
                        "type": "object",
                        "properties": {"wind": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "string"}},
                        },
                        "required": ["wind"],
                    },
                },
                "required": ["place"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "now",
            "description": "The time.",
            "parameters": {"type": "object", "properties": {}, "required": []},
        },
    },
]


def call(number, name, arguments):
    return {"id": f"call{number:05}", "type": "function", "function": {"name": name, "arguments": arguments}}


def with_tools(arguments, nothing):
    """Two calls, one after the other. `arguments` makes of those of a call what the message holds; `nothing` is what an
    assistant's message that only calls has as its content."""
    first = call(1, "get_weather", arguments({"place": "Köln", "days": 3, "details": {"wind": True, "tags": ["a", "b"]}}))
    return [
        {"role": "system", "content": "Use tools."},
        {"role": "user", "content": "Is it warm in Köln?"},
        {"role": "assistant", "content": nothing, "tool_calls": [first]},
        {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": '{"degrees": 21.5}'},
        {"role": "assistant", "content": "It is 21.5 °C."},
        {"role": "user", "content": "And what time is it?"},
        {"role": "assistant", "content": nothing, "tool_calls": [call(2, "now", arguments({}))]},
        {"role": "tool", "name": "now", "tool_call_id": "call00002", "content": "12:30"},
    ]


PARTS = [
    {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": " and <two>"}]},
    {"role": "assistant", "content": "Three.", "reasoning_content": "Count\non."},
    {"role": "user", "content": [{"type": "text", "text": "Four"}]},
]

# Name: messages and tools. Arguments of calls are objects, as transformers wants them, or JSON as OpenAI sends them.
ALL = {
    "plain": (PLAIN, None),
    "with a system message": (SYSTEM, None),
    "of several turns": (TURNS, None),
    "with tools": (with_tools(lambda arguments: arguments, ""), TOOLS),
    "with tools in OpenAI's form": (with_tools(json.dumps, None), TOOLS),
    "with content in parts": (PARTS, None),
}
