// A thread that opens sealed requests and hashes what was in them: half of what a call costs beyond its run, and with a large
// program many milliseconds in which the service would answer nobody. It keeps nothing: keys come with each job.
import { createHash, randomBytes } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { freeBytes } from './free-bytes.ts'
import type { OpenJob, OpenResult } from './opener.ts'
import { parseBase64 } from './protocol/bytes.ts'
import { commit, type CommitmentScheme } from './protocol/commitment.ts'
import { setupRecipient } from './protocol/hpke.ts'
import { requestInfo } from './protocol/request-binding.ts'
import { responseSecret } from './protocol/response-seal.ts'

const { scheme } = workerData as { scheme: CommitmentScheme }

function open(job: OpenJob): OpenResult {
  const { id } = job
  const [enc, sealed] = [parseBase64(job.enc), parseBase64(job.sealed)]
  if (typeof job.sealed !== 'string') job.sealed.buffer.transfer(0)
  if (enc === undefined || sealed === undefined) return { id, opened: null }
  const aad = Buffer.from(job.aad)
  for (const { kid, recipient } of job.recipients) {
    try {
      const context = setupRecipient(recipient, enc, requestInfo(kid))
      const wasm = owned(context.open(sealed, aad))
      const salt = randomBytes(32)
      const program = commit(scheme, 'program', wasm, salt)
      const sha256 = createHash('sha256').update(wasm).digest('hex')
      const secret = responseSecret(context).toString('hex')
      freeBytes(sealed)
      return { id, opened: { kid, wasm, sha256, program, salt: salt.toString('hex'), secret } }
    } catch {
      // another key may fit; that none does is all that anybody is told
    }
  }
  return { id, opened: null }
}

/** With a buffer of its own, which may travel: a small one is a piece of one that others use. */
function owned(bytes: Buffer): Uint8Array {
  return bytes.buffer.byteLength === bytes.length ? bytes : new Uint8Array(bytes)
}

parentPort?.on('message', (jobs: OpenJob[]) => {
  const results = jobs.map(open)
  parentPort?.postMessage(
    results,
    results.flatMap(({ opened }) => (opened === null ? [] : [opened.wasm.buffer as ArrayBuffer])),
  )
})
