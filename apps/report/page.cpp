#include "apps/report/page.h"

#include <fmt/format.h>

#include "apps/report/html.h"

namespace duet {
namespace {

// Text has a contrast of 4.5 to its ground at least, marks and borders of controls 3 (WCAG 2.2,
// 1.4.3 and 1.4.11). The series are told apart in all common kinds of colour blindness (after
// M. Okabe and K. Ito, "Color universal design", 2008), and by their dashes.
constexpr const char* light =
    "color-scheme:light;--ground:#fff;--raised:#f4f5f7;--ink:#1b1f24;--quiet:#57606a;--edge:#"
    "d0d7de;"
    "--control:#6e7781;--link:#0b5cad;--good:#0a6b4b;--bad:#a83a00;"
    "--s0:#0072b2;--s1:#c04f00;--s2:#00785a;--s3:#a3478a";
constexpr const char* dark =
    "color-scheme:dark;--ground:#14171b;--raised:#1f242a;--ink:#e8ebee;--quiet:#a5afb9;"
    "--edge:#3a424b;--control:#87919b;--link:#7cc0f5;--good:#4fd1a5;--bad:#ff9d5c;"
    "--s0:#56b4e9;--s1:#e69f00;--s2:#2bc79a;--s3:#e28fbf";

constexpr const char* style = R"css(
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
.skip{position:absolute;left:-999px;top:0;padding:.5rem 1rem;background:var(--raised);z-index:1}
.skip:focus{left:0}
header,main,footer{max-width:1200px;margin:0 auto;padding:0 1rem}
header{padding-top:1rem}
.top{display:flex;flex-wrap:wrap;gap:.5rem 1rem;justify-content:space-between;align-items:flex-start}
h1{font-size:1.6rem;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:2.5rem 0 .5rem;padding-top:.75rem;border-top:1px solid var(--edge)}
h3{font-size:1rem;margin:0 0 .25rem}
p{max-width:70ch;margin:.5rem 0}
a{color:var(--link)}
code,pre{font:.875rem/1.45 ui-monospace,monospace}
code{overflow-wrap:anywhere}
pre{overflow:auto;padding:.75rem;background:var(--raised);border-radius:6px}
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:3px}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;padding:0;margin:.75rem 0}
nav a{display:inline-block;padding:.25rem 0}
.switch{display:inline-flex;gap:.5rem;align-items:center;padding:.375rem .75rem;min-height:2.25rem;
border:1px solid var(--control);border-radius:6px;background:var(--raised);cursor:pointer;font-size:.9rem}
.switch input{margin:0;width:1.1rem;height:1.1rem;accent-color:var(--link)}
.switch:focus-within{outline:3px solid var(--link);outline-offset:2px}
.quiet,figcaption,.absent{color:var(--quiet)}
.scroll{overflow-x:auto;max-width:100%;margin:.5rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .75rem .3rem 0;text-align:right;border-bottom:1px solid var(--edge);vertical-align:top}
th{font-weight:600}
th:first-child,.words,td code{text-align:left}
.sub{display:block;font-size:.8125rem;color:var(--quiet);white-space:nowrap}
details{margin:.5rem 0}
summary{cursor:pointer;padding:.25rem 0;color:var(--link)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.4rem .75rem;font-size:.875rem;margin:1rem 0}
dt{font-weight:600}dd{margin:0;color:var(--quiet)}
.headline{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,15rem),1fr));gap:1rem;
margin:1rem 0;padding:0;list-style:none}
.headline li{padding:.75rem 1rem;background:var(--raised);border-radius:8px}
.headline .value{display:block;font-size:2rem;line-height:1.2;font-weight:600;font-variant-numeric:tabular-nums}
.headline .quiet{font-size:.875rem;display:block}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:1.5rem 2rem;margin:1rem 0}
.split{display:flex;flex-wrap:wrap;gap:1.5rem 2rem;margin:1rem 0}
.split>figure{flex:1 1 22rem}
.split>div{flex:2 1 26rem;min-width:0;max-width:100%}
figure{margin:0;min-width:0}
figcaption{font-size:.9rem;max-width:70ch}
.chart svg{display:block;width:100%;max-width:560px;height:auto;margin:.5rem 0}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;padding:0;margin:.5rem 0 0;font-size:.9rem}
.legend li{display:flex;align-items:center;gap:.4rem}
.key{width:1.75rem;border-top:3px solid}
.key.s1{border-top-style:dashed}.key.s2{border-top-style:dotted}.key.s3{border-top-style:double}
.block{width:.9rem;height:.9rem;background:currentColor;border-radius:2px}
.legend .s0{color:var(--s0)}.legend .s1{color:var(--s1)}.legend .s2{color:var(--s2)}.legend .s3{color:var(--s3)}
svg text{font:14px system-ui,sans-serif;fill:var(--ink)}
svg .note{fill:var(--quiet);font-size:13px}
svg .halo{paint-order:stroke;stroke:var(--ground);stroke-width:3px}
svg .strong{font-weight:600}
svg .big{font-size:17px;font-weight:600}
.grid{stroke:var(--edge)}
.axis{stroke:var(--control)}
.reference{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:5 4}
.whisker{stroke:var(--ink);stroke-width:1.5}
.whisker-ground{stroke:var(--ground);stroke-width:4;stroke-linecap:square}
.series{fill:none;stroke-width:2.2}
.series.s0{stroke:var(--s0)}
.series.s1{stroke:var(--s1);stroke-dasharray:7 4}
.series.s2{stroke:var(--s2);stroke-dasharray:2 3}
.series.s3{stroke:var(--s3);stroke-dasharray:9 3 2 3}
.point.s0,.bar.s0,.shade.s0{fill:var(--s0)}
.point.s1,.bar.s1,.shade.s1{fill:var(--s1)}
.point.s2,.bar.s2{fill:var(--s2)}
.point.s3,.bar.s3{fill:var(--s3)}
.cell{fill:var(--raised)}
.cell.right{stroke:var(--control)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr));gap:1rem;margin:1rem 0;padding:0;list-style:none}
.cards>li{padding:1rem;background:var(--raised);border-radius:8px;min-width:0}
.cards p{margin:0;font-size:.9375rem}
.cards .quiet{margin-top:.4rem;font-size:.875rem}
.pictures{display:flex;gap:.75rem;margin:.5rem 0;flex-wrap:wrap}
.pictures figure{width:min-content;min-width:8.75rem}
.pictures img{display:block;height:auto;border-radius:4px}
.pictures figcaption{font-size:.75rem;overflow-wrap:anywhere}
.placeholder{display:flex;align-items:center;justify-content:center;width:128px;min-height:128px;padding:.5rem;
border:1px dashed var(--control);border-radius:4px;font-size:.8rem;text-align:center;color:var(--quiet);overflow-wrap:anywhere}
.shares{display:grid;grid-template-columns:auto 1fr auto;gap:.2rem .6rem;align-items:center;font-size:.875rem;margin:.5rem 0 0}
.shares>span{font-variant-numeric:tabular-nums}
.track{height:.7rem;background:var(--ground);border-radius:3px;overflow:hidden}
.track i{display:block;height:100%;background:var(--s0)}
.wrong{color:var(--bad);font-weight:600}.right{color:var(--good);font-weight:600}
footer{margin-top:2.5rem;padding-bottom:2rem;color:var(--quiet);font-size:.875rem}
@media (max-width:30rem){.sub{white-space:normal}}
@media print{.skip,.switch,nav{display:none}}
)css";

}  // namespace

std::string to_html(const Page& page) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>{0}</title>\n<style>\n"
      ":root{{{1}}}\n"
      "@media (prefers-color-scheme:light){{:root:has(#theme:checked){{{2}}}}}\n"
      "@media (prefers-color-scheme:dark){{:root{{{2}}}:root:has(#theme:checked){{{1}}}}}\n"
      "@media print{{:root,:root:has(#theme:checked){{{1}}}}}{3}</style>\n</head>\n<body>\n"
      "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n"
      "<header>\n<div class=\"top\"><h1>{0}</h1>\n"
      "<label class=\"switch\"><input type=\"checkbox\" role=\"switch\" id=\"theme\">Swap light "
      "and "
      "dark</label></div>\n{4}\n",
      escaped(page.title), light, dark, style, page.lead);
  if (page.sections.size() > 1) {
    out += "<nav aria-label=\"Sections\"><ul>";
    for (const PageSection& section : page.sections)
      out += fmt::format("<li><a href=\"#{}\">{}</a></li>", escaped(section.id),
                         escaped(section.title));
    out += "</ul></nav>\n";
  }
  out += "</header>\n<main id=\"main\" tabindex=\"-1\">\n";
  for (const PageSection& section : page.sections)
    out += fmt::format(
        "<section id=\"{0}\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{1}</h2>\n{2}"
        "</section>\n",
        escaped(section.id), escaped(section.title), section.body);
  return out + fmt::format(
                   "</main>\n<footer>Written by Duet {}. This page loads nothing and runs "
                   "no script.</footer>\n</body>\n</html>\n",
                   DUET_VERSION);
}

}  // namespace duet
