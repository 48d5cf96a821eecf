// Compiles main.scss into build/look/look/: main.css, and main.rtl.css for languages that run from right to left.
// `node build.mjs`; the names it writes are those templates/base.html asks for.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import rtlcss from "rtlcss";
import * as sass from "sass";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "build", "look", "look");
const { css } = sass.compile(join(here, "main.scss"), { style: "compressed", quietDeps: true, logger: sass.Logger.silent });

mkdirSync(target, { recursive: true });
for (const [name, text] of [["main.css", css], ["main.rtl.css", rtlcss.process(css)]]) {
  put(`${name}.gz`, gzipSync(text, { level: 9 }));  // what the web server sends to every browser
  put(name, text);
}

function put(name, content) {
  writeFileSync(join(target, `${name}.new`), content);
  renameSync(join(target, `${name}.new`), join(target, name));  // whole or not at all, whoever reads meanwhile
}
