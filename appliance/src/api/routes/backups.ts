import { z } from 'zod'
import { findAppError } from '../../errors/app-error.ts'
import type { ApiServer } from '../app.ts'
import { deskOf } from '../desk.ts'
import { nameOf, type Caller } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import { backupSchema, backupsSchema } from '../schemas/backups.ts'

const params = z.strictObject({ name: z.string().max(100) })
const nothing = z.strictObject({})

/**
 * `/v1/backups`: the sealed backups of this host, made, read back and handed out as they are. For the operator. Nothing opens
 * one here for somebody: its key is never sent to a running host.
 */
export function registerBackups(app: ApiServer, ports: ApiPorts): void {
  const note = (caller: Caller, what: string, target: string, result: string): Promise<void> =>
    ports.store.audit.append({ who: nameOf(caller), what, target, result, transactionHash: null })

  app.get('/v1/backups', { config: { access: 'operator' }, schema: { response: { 200: backupsSchema } } }, () =>
    deskOf(ports).backups.state(),
  )

  app.post(
    '/v1/backups',
    {
      config: { access: 'operator', acts: 'key', rate: { limit: 30, windowSeconds: 300 } },
      schema: { body: nothing, response: { 200: backupSchema } },
    },
    async ({ caller }) => {
      try {
        const made = await deskOf(ports).backups.make()
        await note(caller, 'backup', made.name, 'made and read back')
        return made
      } catch (error) {
        await note(caller, 'backup', 'host', findAppError(error)?.code ?? 'failed')
        throw error
      }
    },
  )

  app.post(
    '/v1/backups/:name/verify',
    {
      config: { access: 'operator', acts: 'key', rate: { limit: 60, windowSeconds: 300 } },
      schema: { params, body: nothing, response: { 200: backupSchema } },
    },
    async ({ caller, params: { name } }) => {
      const view = await deskOf(ports).backups.verify(name)
      await note(caller, 'backup read back', name, view.found ?? 'unknown')
      return view
    },
  )

  app.get(
    '/v1/backups/:name/file',
    { config: { access: 'operator', rate: { limit: 30, windowSeconds: 300 } }, schema: { params } },
    async ({ caller, params: { name } }, reply) => {
      const { bytes, stream } = await deskOf(ports).backups.download(name)
      await note(caller, 'backup handed out', name, `${bytes} bytes, sealed`)
      return reply
        .header('content-type', 'application/octet-stream')
        .header('content-length', bytes)
        .header('content-disposition', `attachment; filename="${name}"`)
        .send(stream)
    },
  )
}
