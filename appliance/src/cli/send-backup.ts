import { randomBytes } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { pieceBytes, piecesSchema, restoredSchema, restoreStateSchema, type RestoredShown } from '../api/schemas/restore.ts'
import { systemClock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import { ApiProblem, type ApiClient } from './client.ts'

const key = () => ({ 'idempotency-key': randomBytes(16).toString('hex') })

/** Reads a file that a person named. Throws `config-unreadable`. */
export async function readNamed(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError({ code: 'config-unreadable', detail: `${path} could not be read.`, cause })
  })
}

/**
 * Sends a backup to the daemon of a machine that is not set up, and waits until it has begun anew with it. Throws what the daemon
 * refuses; then nothing was changed.
 */
export async function sendBackup(
  admin: ApiClient,
  path: string,
  keyText: string,
  onShare?: (share: number) => void,
): Promise<RestoredShown> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new AppError({ code: 'config-unreadable', detail: `${path} could not be read.`, cause })
  })
  try {
    const { size } = await file.stat()
    const buffer = Buffer.alloc(pieceBytes)
    for (let offset = 0; offset < size;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset)
      if (bytesRead === 0) break
      const data = buffer.subarray(0, bytesRead).toString('base64')
      await admin.call(piecesSchema, 'POST', '/v1/setup/restore/pieces', { body: { offset, data }, headers: key() })
      offset += bytesRead
      onShare?.(offset / size)
    }
  } finally {
    await file.close()
  }
  const restored = await admin.call(restoredSchema, 'POST', '/v1/setup/restore', { body: { key: keyText }, headers: key() })
  await begunAnew(admin, restored)
  return restored
}

/** The answers name a backup: it comes first, once, and on no host that is set up. */
export async function restoreFirst(
  admin: ApiClient,
  { file, keyFile }: { file: string; keyFile: string },
): Promise<RestoredShown | null> {
  const before = await alreadyRestored(admin).catch((error: unknown) => {
    // a host that is set up has what it needs: the same answers may be applied again
    if (error instanceof ApiProblem && error.code === 'not-in-this-state') return undefined
    throw error
  })
  return before === null ? await sendBackup(admin, file, await readNamed(keyFile)) : null
}

/** What was restored before on this machine, while it is not set up. Throws `not-in-this-state` on one that is. */
export async function alreadyRestored(admin: ApiClient): Promise<RestoredShown | null> {
  return (await admin.call(restoreStateSchema, 'GET', '/v1/setup/restore')).restored
}

async function begunAnew(admin: ApiClient, restored: RestoredShown): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const now = await alreadyRestored(admin).catch(() => undefined)
    if (now?.createdAt === restored.createdAt) return
    await systemClock.wait(200)
  }
  throw new AppError({
    code: 'timed-out',
    detail: 'The backup was laid down, and the daemon has not begun anew with it within two minutes.',
    hint: 'Look at its log: journalctl -u freeholdd.',
  })
}
