import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core'
import { AppError } from '../../errors/app-error.ts'

const suite = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })
const encLength = 65

/** A P-256 pair for messages on chain: the point as 65 bytes, the scalar as 32. */
export interface MessageKey {
  publicKey: Uint8Array
  privateKey: Uint8Array
}

export async function generateMessageKey(): Promise<MessageKey> {
  const { publicKey, privateKey } = await suite.kem.generateKeyPair()
  return {
    publicKey: new Uint8Array(await suite.kem.serializePublicKey(publicKey)),
    privateKey: new Uint8Array(await suite.kem.serializePrivateKey(privateKey)),
  }
}

/** What both sides know of a message; another place, asker or direction does not open it. */
export interface MessagePlace {
  direction: 'question' | 'answer'
  chainId: number
  registry: string
  brokerId: bigint
  installation: string
  asker: string
}

function infoOf(place: MessagePlace): Uint8Array {
  const { direction, chainId, registry, brokerId, installation, asker } = place
  const parts = ['Freehold IPv6 broker v1', direction, chainId, registry, brokerId, installation, asker]
  return new TextEncoder().encode(parts.join('\n').toLowerCase())
}

/** HPKE base mode (RFC 9180), a fresh ephemeral key per message: encapsulation (65 bytes) ‖ ciphertext. */
export async function seal(to: Uint8Array, place: MessagePlace, text: string): Promise<Uint8Array> {
  const recipientPublicKey = await suite.kem.deserializePublicKey(new Uint8Array(to).buffer)
  const sender = await suite.createSenderContext({ recipientPublicKey, info: new Uint8Array(infoOf(place)).buffer })
  const sealed = await sender.seal(new TextEncoder().encode(text).buffer)
  return Buffer.concat([Buffer.from(sender.enc), Buffer.from(sealed)])
}

/** Throws AppError `broker-unreadable` for whatever was not sealed to this key for this place. */
export async function open(key: MessageKey, place: MessagePlace, message: Uint8Array): Promise<string> {
  try {
    const recipientKey = await suite.kem.deserializePrivateKey(new Uint8Array(key.privateKey).buffer)
    const enc = new Uint8Array(message.slice(0, encLength)).buffer
    const recipient = await suite.createRecipientContext({ recipientKey, enc, info: new Uint8Array(infoOf(place)).buffer })
    const text = await recipient.open(new Uint8Array(message.slice(encLength)).buffer)
    return new TextDecoder('utf-8', { fatal: true }).decode(text)
  } catch (cause) {
    throw new AppError({
      code: 'broker-unreadable',
      detail: 'The message was not encrypted to this key for this request.',
      cause,
    })
  }
}
