import type { z } from 'zod'
import type { Restore } from '../../backup/restore.ts'
import type { ApiServer } from '../app.ts'
import { pieceBodySchema, piecesSchema, restoreBodySchema, restoredSchema, restoreStateSchema } from '../schemas/restore.ts'

export interface RestoreDoor {
  restore: Restore
  /** What was restored on this machine that is not set up yet; null: nothing. */
  restored(): Promise<z.output<typeof restoredSchema> | null>
  /** The answer has left: the daemon begins anew with what was laid down. */
  beginAnew(): void
}

/**
 * `/v1/setup/restore`: a backup onto a machine that is not set up. At the operator's own socket, and at the door of setup for
 * whoever typed the machine's code. The file comes in pieces: bodies stay within their limit.
 */
export function registerRestore(door: RestoreDoor, access: 'host' | 'setup'): (app: ApiServer) => void {
  return (app) => {
    app.get('/v1/setup/restore', { config: { access }, schema: { response: { 200: restoreStateSchema } } }, async () => ({
      received: await door.restore.received(),
      restored: await door.restored(),
    }))
    app.post(
      '/v1/setup/restore/pieces',
      { config: { access, acts: 'key' }, schema: { body: pieceBodySchema, response: { 200: piecesSchema } } },
      async ({ body }) => ({ received: await door.restore.piece(body.offset, Buffer.from(body.data, 'base64')) }),
    )
    app.post(
      '/v1/setup/restore',
      { config: { access, acts: 'key' }, schema: { body: restoreBodySchema, response: { 200: restoredSchema } } },
      async ({ body }, reply) => {
        const restored = await door.restore.stage(body.key)
        reply.raw.once('close', () => door.beginAnew())
        return restored
      },
    )
  }
}
