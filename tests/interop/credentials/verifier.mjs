// Verifiers that we did not write: @digitalbazaar/vc for embedded proofs, did-jwt-vc and jose for JWTs.
// One task as JSON on stdin, one answer as JSON on stdout. Nothing is fetched: the task brings DID document, contexts
// and status lists as our service serves them.
import { gunzipSync } from "node:zlib";
import { DataIntegrityProof } from "@digitalbazaar/data-integrity";
import * as Ed25519Multikey from "@digitalbazaar/ed25519-multikey";
import { cryptosuite } from "@digitalbazaar/eddsa-rdfc-2022-cryptosuite";
import * as vc from "@digitalbazaar/vc";
import { verifyCredential } from "did-jwt-vc";
import { Resolver } from "did-resolver";
import * as jose from "jose";

function loaderOf({ contexts = {}, didDocument }) {
  return async (url) => {
    const found = (document) => ({ contextUrl: null, documentUrl: url, document });
    if (contexts[url]) return found(contexts[url]);
    if (didDocument && url === didDocument.id) return found(didDocument);
    const method = didDocument?.verificationMethod.find((each) => each.id === url);
    if (method) return found({ "@context": "https://w3id.org/security/multikey/v1", ...method });
    return vc.defaultDocumentLoader(url); // the W3C's contexts as that package bundles them; anything else throws
  };
}

function bitAt(list, index) {
  const bits = gunzipSync(Buffer.from(list.credentialSubject.encodedList.slice(1), "base64url"));
  return (bits[index >> 3] & (0x80 >> (index & 7))) !== 0;
}

async function embedded(task, document = task.document) {
  const checkStatus = async ({ credential }) => {
    for (const entry of [credential.credentialStatus].flat()) {
      const list = task.lists?.[entry.statusListCredential];
      if (!list) return { verified: false, error: `no list ${entry.statusListCredential}` };
      const known = await embedded({ ...task, lists: undefined }, list);
      const purpose = list.credentialSubject.statusPurpose === entry.statusPurpose;
      if (!known.verified || !purpose || bitAt(list, Number(entry.statusListIndex))) return { verified: false };
    }
    return { verified: true };
  };
  const result = await vc.verifyCredential({
    credential: document,
    suite: new DataIntegrityProof({ cryptosuite }),
    documentLoader: loaderOf(task),
    checkStatus,
    ...(task.now ? { now: task.now } : {}),
  });
  const errors = result.error ? [result.error, ...(result.error.errors ?? [])].map((each) => each.message) : [];
  return { verified: result.verified, status: result.statusResult?.verified ?? null, errors };
}

async function sign({ document, contexts }) {
  const pair = await Ed25519Multikey.generate();
  const id = `did:key:${pair.publicKeyMultibase}`;
  pair.id = `${id}#${pair.publicKeyMultibase}`;
  pair.controller = id;
  const suite = new DataIntegrityProof({ signer: pair.signer(), cryptosuite });
  const credential = { ...document, issuer: id };
  return { document: await vc.issue({ credential, suite, documentLoader: loaderOf({ contexts }) }) };
}

async function canonical({ documents }) {
  const options = { documentLoader: loaderOf({}), base: null, safe: true, maxWorkFactor: 2 };
  const one = (document) => cryptosuite.canonize(document, options).catch((error) => ({ refused: String(error.message) }));
  return { canonical: await Promise.all(documents.map(one)) };
}

const acts = {
  embedded: (task) => embedded(task),
  canonical,
  sign,
  async jose({ token, jwks, typ, now }) {
    const options = { typ, currentDate: new Date(now), algorithms: ["ES256", "EdDSA"] };
    const { payload, protectedHeader } = await jose.jwtVerify(token, jose.createLocalJWKSet(jwks), options);
    return { payload, header: protectedHeader };
  },
  async "did-jwt-vc"({ token, didDocument, now }) {
    const resolver = new Resolver({ web: async () => ({ didDocument, didDocumentMetadata: {}, didResolutionMetadata: {} }) });
    const policies = { now: Math.floor(Date.parse(now) / 1000) };
    const { verified, issuer, verifiableCredential } = await verifyCredential(token, resolver, { policies });
    return { verified, issuer, credential: verifiableCredential };
  },
};

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const task = JSON.parse(Buffer.concat(chunks));
try {
  process.stdout.write(JSON.stringify(await acts[task.act](task)));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: String(error.message ?? error), code: error.code ?? null }));
}
