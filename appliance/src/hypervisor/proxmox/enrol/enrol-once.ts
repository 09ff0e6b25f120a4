import type { Clock } from '../../../clock/clock.ts'
import { AppError } from '../../../errors/app-error.ts'
import { openClient, type ApiToken } from '../open-client.ts'
import { explained } from '../server.ts'
import { parseNetworks, placesOf, readTokenSecret, waysOf, type ProxmoxAnswer } from '../settings.ts'
import { planEnrolment, runEnrolment, type EnrolPlan } from './enrol.ts'
import { keepToken, requireFirewall, seenAtEnrolment } from './kept-token.ts'
import { requireRights, verifyToken } from './verify.ts'

/** `user@realm!name=secret`. Throws `bad-input`. */
export function parsePrivilegedToken(text: string): ApiToken {
  const at = text.trim().lastIndexOf('=')
  if (at > 0) return { id: text.trim().slice(0, at), secret: text.trim().slice(at + 1) }
  throw new AppError({
    code: 'bad-input',
    detail: 'A token is given as user@realm!name=secret.',
    hint: 'On a node: pveum user token add root@pam enrol --privsep 0. Remove it afterwards: pveum user token remove root@pam enrol.',
  })
}

/**
 * Looks with the privileged credential and says what is missing, then does it if `go` says so; the new secret goes into its file
 * and the credential nowhere. May be called again after any failure.
 */
export async function enrolOnce(
  answer: ProxmoxAnswer,
  given: { privileged: ApiToken; operatorNetworks: readonly string[]; mediaFolder: string; clock: Clock },
  go: (plan: EnrolPlan) => boolean,
  tell: (what: string) => void,
): Promise<{ plan: EnrolPlan; made: ApiToken | undefined }> {
  const operatorNetworks = parseNetworks(given.operatorNetworks, '/hypervisor/enrolment/operatorNetworks')
  const client = openClient(await waysOf(answer), given.privileged, given.clock)
  try {
    const { mediaFolder } = given
    const { vmids, token } = answer
    const plan = await explained('look at the server', () =>
      planEnrolment(client, { ...placesOf(answer), vmids, token, mediaFolder, operatorNetworks }),
    )
    if (!go(plan)) return { plan, made: undefined }
    const made = await explained('enrol', () => runEnrolment(plan, tell))
    await keepToken(answer.tokenFile, made, plan.zone)
    return { plan, made }
  } finally {
    client.close()
  }
}

/** Throws unless the kept token is good, has every privilege, and the firewall is known to be on. Changes nothing. */
export async function requireEnrolled(answer: ProxmoxAnswer, clock: Clock): Promise<void> {
  const secret = await readTokenSecret(answer.tokenFile)
  const { zone } = await seenAtEnrolment(answer.tokenFile, answer.token)
  const client = openClient(await waysOf(answer), { id: answer.token, secret }, clock)
  try {
    await explained('read the rights of the token', async () => {
      requireRights(await verifyToken(client, { ...placesOf(answer), zone }))
      await requireFirewall(client, answer.tokenFile, answer.token)
    })
  } finally {
    client.close()
  }
}
