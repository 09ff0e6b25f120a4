import { request } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { InstallFault } from './fault.ts'

/** Where the kernel command line says that the answers lie: `freehold.answers=https://… freehold.fingerprint=AA:BB:…`. */
export interface AnswersUrl {
  url: string
  /** SHA-256 of the server's certificate, 64 capital hex digits. */
  fingerprint: string
}

/** An answer file is a page or two. */
const mostBytes = 256 * 1024

/** Reads the kernel command line; undefined: no URL there. Without https or fingerprint anybody on the way could name the disk. */
export function answersUrlOf(commandLine: string): AnswersUrl | undefined {
  const word = (name: string): string | undefined =>
    commandLine
      .split(/\s+/)
      .find((part) => part.startsWith(`${name}=`))
      ?.slice(name.length + 1)
  const url = word('freehold.answers')
  if (url === undefined) return undefined
  const given = word('freehold.fingerprint') ?? ''
  const fingerprint = given.replaceAll(':', '').toUpperCase()
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:' || !/^[0-9A-F]{64}$/.test(fingerprint)) {
    throw new InstallFault('answers-wrong', {
      wrong: 'The kernel command line names answers, but not by https and the SHA-256 fingerprint of the server’s certificate.',
      seen: [`freehold.answers=${url}`, `freehold.fingerprint=${given || '(missing)'}`],
      remedy: 'Write freehold.answers=https://… freehold.fingerprint=… into the boot entry.',
    })
  }
  return { url, fingerprint }
}

/** How long the network may take to come up, and how long between two tries. */
export interface Patience {
  seconds: number
  pauseMs: number
}

/**
 * Brings the answers. The certificate's fingerprint alone decides whom to believe: no name, no authority, no date. Redirects are
 * not followed. Throws `answers-unreachable` when nobody answered in time, `answers-wrong` at once for another certificate.
 */
export async function fetchAnswers(from: AnswersUrl, patience: Patience = { seconds: 180, pauseMs: 3000 }): Promise<string> {
  const deadline = performance.now() + patience.seconds * 1000
  let last = 'no try'
  do {
    try {
      return await once(from)
    } catch (error) {
      if (error instanceof InstallFault) throw error
      last = (error as Error).message
    }
    await delay(patience.pauseMs)
  } while (performance.now() < deadline)
  throw new InstallFault('answers-unreachable', {
    wrong: 'The answer file named on the kernel command line cannot be fetched.',
    seen: [from.url, last],
    remedy: 'Check cable, DHCP and the address; or lay the file on a stick labelled FREEHOLD.',
  })
}

function once({ url, fingerprint }: AnswersUrl): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { rejectUnauthorized: false, agent: false, timeout: 20_000 })
    asked.on('socket', (socket) => {
      const tls = socket as TLSSocket
      tls.on('secureConnect', () => {
        const seen = tls.getPeerCertificate().fingerprint256?.replaceAll(':', '') ?? ''
        if (seen === fingerprint) return
        // before a word was said to it
        asked.destroy(
          new InstallFault('answers-wrong', {
            wrong: 'The server of the answer file has another certificate than the kernel command line says.',
            seen: [url, `expected ${fingerprint}`, `found    ${seen}`],
            remedy: 'Compare the fingerprint at the server. Nothing was written to any disk.',
          }),
        )
      })
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer in 20 s')))
    asked.on('error', reject)
    asked.on('response', (reply) => {
      let bytes = 0
      const parts: Buffer[] = []
      if (reply.statusCode !== 200) return void asked.destroy(new Error(`HTTP ${reply.statusCode ?? 0}`))
      reply.on('data', (part: Buffer) => {
        bytes += part.length
        if (bytes > mostBytes) {
          asked.destroy(
            new InstallFault('answers-wrong', {
              wrong: 'The answer file is larger than 256 KiB.',
              seen: [url],
              remedy: 'Check the address.',
            }),
          )
        } else parts.push(part)
      })
      reply.on('error', reject)
      reply.on('end', () => resolve(Buffer.concat(parts).toString()))
    })
    asked.end()
  })
}
