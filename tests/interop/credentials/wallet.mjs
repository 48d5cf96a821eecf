// A wallet made of libraries that we did not write: @openid4vc/openid4vci takes a credential, @sd-jwt/sd-jwt-vc holds,
// shows and checks it. One task as JSON on stdin, one answer as JSON on stdout.
import { createHash, randomBytes } from "node:crypto";
import { HashAlgorithm, clientAuthenticationAnonymous, setGlobalConfig } from "@openid4vc/oauth2";
import { Openid4vciClient } from "@openid4vc/openid4vci";
import { ES256, digest, generateSalt } from "@sd-jwt/crypto-nodejs";
import { SDJwtVcInstance } from "@sd-jwt/sd-jwt-vc";
import * as jose from "jose";

setGlobalConfig({ allowInsecureUrls: true }); // the sandbox has no TLS

async function keyOf(task) {
  if (task.key) return task.key;
  const made = await jose.generateKeyPair(task.alg ?? "ES256", { extractable: true });
  return { alg: task.alg ?? "ES256", private: await jose.exportJWK(made.privateKey), public: await jose.exportJWK(made.publicKey) };
}

function signerOf(key, binding) {
  if (binding === "did:jwk") {
    const did = `did:jwk:${Buffer.from(JSON.stringify(key.public)).toString("base64url")}`;
    return { method: "did", didUrl: `${did}#0`, alg: key.alg };
  }
  return { method: "jwk", publicJwk: key.public, alg: key.alg };
}

function clientWith(key) {
  return new Openid4vciClient({
    callbacks: {
      fetch,
      hash: (data, algorithm) => createHash(algorithm === HashAlgorithm.Sha256 ? "sha256" : algorithm).update(data).digest(),
      generateRandom: (length) => randomBytes(length),
      clientAuthentication: clientAuthenticationAnonymous(),
      signJwt: async (_signer, { header, payload }) => ({
        jwt: await new jose.SignJWT(payload).setProtectedHeader(header).sign(await jose.importJWK(key.private, key.alg)),
        signerJwk: key.public,
      }),
    },
  });
}

// offer → metadata → token → nonce → proof → credential; `until` and `from` stop and go on in between.
async function take(task) {
  const key = await keyOf(task);
  const client = clientWith(key);
  let step = "offer";
  const done = { key, ...task.from };
  try {
    done.offer ??= await client.resolveCredentialOffer(task.link);
    if (task.until === step) return done;
    step = "metadata";
    const issuerMetadata = await client.resolveIssuerMetadata(done.offer.credential_issuer);
    done.version = issuerMetadata.originalDraftVersion;
    done.known = Object.keys(issuerMetadata.knownCredentialConfigurations);
    step = "token";
    if (!done.token) {
      const { accessTokenResponse } = await client.retrievePreAuthorizedCodeAccessTokenFromOffer({
        credentialOffer: done.offer,
        issuerMetadata,
        txCode: task.txCode,
      });
      done.token = accessTokenResponse.access_token;
    }
    if (task.until === step) return done;
    step = "nonce";
    const nonce = (await client.requestNonce({ issuerMetadata })).c_nonce;
    step = "proof";
    const { jwt } = await client.createCredentialRequestJwtProof({
      issuerMetadata,
      credentialConfigurationId: task.configuration,
      signer: signerOf(key, task.binding),
      nonce: task.nonce ?? nonce,
      issuedAt: new Date(),
    });
    step = "credential";
    const { credentialResponse } = await client.retrieveCredentials({
      issuerMetadata,
      accessToken: done.token,
      credentialConfigurationId: task.configuration,
      proofs: { jwt: [jwt] },
    });
    done.credentials = credentialResponse.credentials.map((each) => each.credential);
    return done;
  } catch (error) {
    const said = error.errorResponse ?? error.response?.credentialErrorResponseResult?.data ?? {};
    const response = error.response?.response ?? error.response;
    return { ...done, step, failed: said.error ?? error.constructor.name, status: response?.status, message: String(error.message) };
  }
}

// Our key for a token: by JWT VC Issuer Metadata (SD-JWT VC) or, for the status token, by the key set.
async function keyFor(issuer, kid) {
  const metadata = await (await fetch(`${issuer}/.well-known/jwt-vc-issuer`)).json();
  if (metadata.issuer !== issuer) throw new Error("the metadata is another issuer's");
  const keys = (metadata.jwks ?? (await (await fetch(metadata.jwks_uri)).json())).keys;
  const found = keys.find((each) => each.kid === kid);
  if (!found) throw new Error(`no key ${kid}`);
  return found;
}

const part = (text, index) => JSON.parse(Buffer.from(text.split(".")[index], "base64url"));

function holderOf(task) {
  const issuer = part(task.credential, 1).iss;
  const verifier = async (data, signature) => {
    const { kid } = JSON.parse(Buffer.from(data.split(".")[0], "base64url"));
    return (await ES256.getVerifier(await keyFor(issuer, kid)))(data, signature);
  };
  return new SDJwtVcInstance({
    hasher: digest,
    hashAlg: "sha-256",
    saltGenerator: generateSalt,
    signAlg: "ES256",
    verifier,
    statusVerifier: verifier,
    loadTypeMetadataFormat: true,
    kbSignAlg: "ES256",
    kbSigner: async (data) => (await ES256.getSigner(task.key.private))(data),
    kbVerifier: async (data, signature, payload) => (await ES256.getVerifier(payload.cnf.jwk))(data, signature),
  });
}

// Show an SD-JWT VC with some of its claims to a verifier, and be that verifier.
async function show(task) {
  const holder = holderOf(task);
  const nonce = randomBytes(16).toString("hex");
  const presented = await holder.present(task.credential.split("~").slice(0, -1).join("~") + "~", task.frame, {
    kb: { payload: { iat: Math.floor(Date.now() / 1000), aud: "https://verifier.example", nonce } },
  });
  try {
    const found = await holder.verify(presented, { keyBindingNonce: nonce });
    return { presented, claims: await holder.getClaims(presented), payload: found.payload, bound: Boolean(found.kb), type: found.typeMetadata };
  } catch (error) {
    return { presented, failed: String(error.message) };
  }
}

async function checkJwt(task) {
  const jwks = jose.createRemoteJWKSet(new URL(`${task.issuer}/.well-known/jwks.json`));
  const { payload, protectedHeader } = await jose.jwtVerify(task.credential, jwks);
  return { payload, header: protectedHeader };
}

let text = "";
for await (const chunk of process.stdin) text += chunk;
const task = JSON.parse(text);
const answer = await { take, show, checkJwt }[task.act](task);
process.stdout.write(JSON.stringify(answer));
