// Reads one JSON task from stdin and prints its result: {"act": "sign" | "verify", "body": "<text>", …}.
import sdk from "ondc-crypto-sdk-nodejs";

let text = "";
for await (const part of process.stdin) text += part;
const task = JSON.parse(text);

if (task.act === "sign") {
  const header = await sdk.createAuthorizationHeader({
    body: task.body,
    privateKey: task.privateKey,
    subscriberId: task.subscriberId,
    subscriberUniqueKeyId: task.keyId,
  });
  console.log(JSON.stringify({ header }));
} else {
  const valid = await sdk.isHeaderValid({ header: task.header, body: task.body, publicKey: task.publicKey });
  console.log(JSON.stringify({ valid }));
}
