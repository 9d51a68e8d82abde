"""Golden texts of chat templates, by Transformers' own function: test/data/chat_templates/cases.json.

  python bench/peers/chat_templates.py test/data/chat_templates
"""
import datetime
import json
import pathlib
import sys

import transformers.utils.chat_template_utils as u

folder = pathlib.Path(sys.argv[1])
tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
turns = [{"role": "user", "content": "  Who wrote Hamlet? "}, {"role": "assistant", "content": "Shakespeare.\n"},
         {"role": "user", "content": "In what year?"}]
system = {"role": "system", "content": "Be brief: “naïve” 日本語 🙂"}
tools = [{"type": "function", "function": {
    "name": "get_weather", "description": "The weather <now> & here: it's \"fine\"\nor 雨, somewhere in the world, in a few words",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "where"}, "days": {"type": ["integer", "number"]},
        "more": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "boolean"}}},
        "scale": {"type": "object"}, "x": {"type": "null", "default": [1, 2.5, 1e-07, 1e22, True, None, {}, []]}},
        "required": ["city"]}}}]
call = {"role": "assistant", "content": "", "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {
    "name": "get_weather", "arguments": {"city": "Köln", "days": 2}}}]}
result = {"role": "tool", "tool_call_id": "abcdefghi", "name": "get_weather", "content": "{\"sky\": \"雨\"}"}
answer = {"role": "assistant", "content": "<think>\nIt rains.\n</think>\n\nTake an umbrella."}
parts = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is this? "}]}]
chats = {
    "turns": dict(messages=turns, add=True), "system": dict(messages=[system] + turns, add=True),
    "answered": dict(messages=[system] + turns + [answer]), "two": dict(messages=turns[:2]),
    "one": dict(messages=turns[2:], add=True), "tools": dict(messages=[system, turns[0]], tools=tools, add=True),
    "calls": dict(messages=[turns[0], call, result], tools=tools, add=True),
    "called": dict(messages=[system, turns[0], call, result, answer, turns[2]], tools=tools, add=True),
    "no_thinking": dict(messages=turns, add=True, vars={"enable_thinking": False}),
    "date": dict(messages=turns[2:], add=True, vars={"date_string": "1 Jan 2025", "tools_in_user_message": False}, tools=tools),
    "builtin": dict(messages=[turns[0], call], vars={"builtin_tools": ["get_weather", "code_interpreter"], "date_string": "x"}),
    "parts": dict(messages=parts, add=True), "wrong_order": dict(messages=turns[1:], add=True),
    "reasoning": dict(messages=[turns[2], {"role": "assistant", "content": "1600", "reasoning_content": "\nlate\n"}]),
}

class Fixed(datetime.datetime):
    @classmethod
    def now(cls, tz=None): return cls.fromtimestamp(1700049600)
u.datetime = Fixed

def case(template, name, chat):
    variables = dict(tokens, **chat.get("vars", {}))
    out = dict(name=name, chat=chat)
    try:
        compiled = u._compile_jinja_template(template)
        text, spans = u._render_with_assistant_indices(compiled_template=compiled, messages=chat["messages"],
            tools=chat.get("tools"), documents=None, add_generation_prompt=chat.get("add", False), **variables)
        out["text"] = text
        if spans: out["generated"] = [[len(text[:a].encode()), len(text[:b].encode())] for a, b in spans]
    except Exception as e:
        out["error"] = str(e)
    return out

all = []
for path in sorted(folder.glob("*.jinja")):
    for name, chat in chats.items():
        c = case(path.read_text(), name, chat)
        all.append({"template": path.name, "chat": name, **{k: c[k] for k in ("text", "generated", "error") if k in c}})
# Small ones: a template a line, over the same variables.
small = [l for l in (folder / "expressions.txt").read_text().split("\n") if l]
for line in small:
    c = case(line, "called", chats["called"])
    all.append({"source": line, **{k: c[k] for k in ("text", "generated", "error") if k in c}})
(folder / "cases.json").write_text(json.dumps({"tokens": tokens, "time": 1700049600, "chats": chats, "cases": all}, indent=1, ensure_ascii=False) + "\n")
print(len(all), sum("error" in c for c in all))
