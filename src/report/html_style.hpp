// The look of the HTML report; the plots bring their own (plot.cpp), with the same greys.
#pragma once
#include <string_view>

namespace hone {

inline constexpr std::string_view kHtmlStyle = R"(
:root{--page:#f5f6f8;--surface:#ffffff;--ink:#1c2128;--soft:#59636e;--line:#dfe3e8;--code:#f3f4f6}
@media (prefers-color-scheme:dark){:root{--page:#111418;--surface:#1a1e24;--ink:#e6e9ed;--soft:#a0a9b4;
--line:#2f353e;--code:#14181d}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
main{max-width:968px;margin:0 auto;padding:40px 20px 64px}
h1{font-size:28px;line-height:1.25;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:18px;margin:0 0 4px}
h3{font-size:14px;margin:16px 0 4px}
.subtitle,.note{color:var(--soft)}
.subtitle{margin:6px 0 0}
p.note{margin:0 0 14px;font-size:14px}
.cards{display:grid;grid-template-columns:repeat(3,1fr);gap:12px;margin:28px 0 0}
.card,section{background:var(--surface);border:1px solid var(--line);border-radius:10px}
.card{padding:14px 16px}
.card .name,.card .note{font-size:13px;line-height:1.4}
.card .name{color:var(--soft)}
.card .value{font-size:24px;line-height:1.35;font-weight:600;
font-variant-numeric:tabular-nums;white-space:nowrap}
section{padding:20px 23px;margin:16px 0 0;break-inside:avoid}
section .hone-plot{display:block;margin:2px -8px 0;max-width:calc(100% + 16px)}
blockquote{margin:10px 0 0;padding:2px 0 2px 18px;border-left:3px solid var(--line);white-space:pre-wrap;
overflow-wrap:anywhere;font:16px/1.6 Georgia,"Noto Serif","Liberation Serif",serif}
pre{margin:10px 0 0;padding:12px 14px;background:var(--code);border-radius:8px;white-space:pre-wrap;
overflow-wrap:anywhere;
font:13px/1.55 ui-monospace,"SF Mono",Menlo,"Noto Sans Mono","Liberation Mono",monospace}
pre span{display:inline-block;max-width:100%}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:0 40px;align-items:start}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:5px 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
tr:last-child th,tr:last-child td{border-bottom:0}
th{font-weight:400;color:var(--soft);padding-right:20px}
td{text-align:right;overflow-wrap:anywhere}
.numbers{max-width:460px}
.wide{overflow-x:auto;margin:0 0 18px}
.compressions{white-space:nowrap;font-size:13px}
.compressions th:not(:first-child){text-align:right;padding:5px 0 5px 14px}
.compressions td{padding-left:14px}
.compressions tr:nth-child(2) td{font-weight:600}
details{margin-top:14px;font-size:14px}
summary{cursor:pointer;color:var(--soft)}
@media (max-width:640px){.cards{grid-template-columns:repeat(2,1fr)}
main{padding:24px 12px}section{padding:16px}}
)";

}  // namespace hone
