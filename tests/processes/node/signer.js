// One question on stdin, one answer on stdout, both JSON. The package signs and verifies; nothing of that is done here.
const { createAuthorizationHeader, isHeaderValid } = require("ondc-crypto-sdk-nodejs");

const ask = { sign: createAuthorizationHeader, verify: isHeaderValid };

let text = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (part) => (text += part));
process.stdin.on("end", async () => {
  const { what, ...question } = JSON.parse(text);
  process.stdout.write(JSON.stringify(await ask[what](question)));
});
