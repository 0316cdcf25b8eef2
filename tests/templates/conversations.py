"""The conversations in which templates are compared: plain, with a system message, of several turns, and with tools."""

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
                        "properties": {"wind": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "string"}}},
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
    return {"id": f"call_{number:05}", "type": "function", "function": {"name": name, "arguments": arguments}}


def with_tools(arguments):
    """Two calls, one after the other; `arguments` makes of those of a call what the message holds."""
    return [
        {"role": "system", "content": "Use tools."},
        {"role": "user", "content": "Is it warm in Köln?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [call(1, "get_weather", arguments({"place": "Köln", "days": 3, "details": {"wind": True}}))],
        },
        {"role": "tool", "name": "get_weather", "tool_call_id": "call_00001", "content": '{"degrees": 21.5}'},
        {"role": "assistant", "content": "It is 21.5 °C."},
        {"role": "user", "content": "And what time is it?"},
        {"role": "assistant", "content": None, "tool_calls": [call(2, "now", arguments({}))]},
        {"role": "tool", "name": "now", "tool_call_id": "call_00002", "content": "12:30"},
    ]
