import { AppError } from '../../../errors/app-error.ts'
import {
  acl,
  clusterOptions,
  firewallOptions,
  firewallRules,
  nothing,
  nodes as nodesAnswer,
  pools,
  roles,
  storages,
  tokenCreated,
  tokens,
  users,
} from '../answers.ts'
import type { PveClient } from '../client.ts'
import { contentList, fwPorts, tokenId, type Network } from '../formats.ts'
import { requireBridge } from '../look.ts'
import type { ApiToken } from '../open-client.ts'
import type { ProxmoxOptions } from '../options.ts'
import { grantsFor, type Grant, type RightsScope } from './rights.ts'

/** What enrolment is told. */
export interface EnrolAnswers extends Pick<ProxmoxOptions, 'pool' | 'diskStorage' | 'mediaStorage' | 'bridge' | 'vmids'> {
  /** `freehold@pve!appliance`. */
  token: string
  /** Folder on the nodes for the media storage, where there is none yet. */
  mediaFolder: string
  /** Where the operator reaches the nodes from: kept open when the datacenter firewall goes on. */
  operatorNetworks: readonly Network[]
}

/** One thing that enrolment makes true. */
export interface EnrolStep {
  /** As shown in the plan. */
  what: string
  /** True if nothing is to be done. */
  done: boolean
  run(): Promise<void>
}

/** The plan of an enrolment, made by looking only; the secret is there once the token was made. */
export interface EnrolPlan {
  steps: EnrolStep[]
  nodes: readonly string[]
  /** Zone of the bridge or vnet. */
  zone: string
  /** The token's secret, known only in the run that made it. */
  secret(): ApiToken | undefined
}

const ruleComment = 'freehold: access of the operator'

/**
 * Looks at the server with the privileged credential and says what is missing; each step may be run again. Throws
 * `bridge-missing`, `storage-unsuitable`, `bad-input` for what no step can make. The credential is kept by nobody here.
 */
export async function planEnrolment(client: PveClient, answers: EnrolAnswers): Promise<EnrolPlan> {
  const id = tokenId.parse(answers.token)
  const [userid = '', tokenName = ''] = id.split('!')
  const found = await client.get('/nodes', nodesAnswer)
  const names = found.map((node) => node.node)
  const { zone } = await requireBridge(client, answers.bridge)
  await requireDisks(client, answers.diskStorage)
  const scope: RightsScope = { ...answers, nodes: names, zone }
  let made: ApiToken | undefined
  const steps: EnrolStep[] = []
  const grants = grantsFor(scope)
  const present = await client.get('/access/roles', roles)
  for (const grant of grants) steps.push(roleStep(client, grant, present))
  const knownUsers = await client.get('/access/users', users)
  const hasUser = knownUsers.some((user) => user.userid === userid)
  steps.push({
    what: `user ${userid}, without a password`,
    done: hasUser,
    run: () => client.post('/access/users', nothing, { userid, comment: 'Freehold', enable: 1 }),
  })
  const knownPools = await client.get('/pools', pools)
  steps.push({
    what: `pool ${answers.pool}`,
    done: knownPools.some((pool) => pool.poolid === answers.pool),
    run: () => client.post('/pools', nothing, { poolid: answers.pool, comment: 'VMs of Freehold' }),
  })
  steps.push(await mediaStep(client, answers))
  const knownTokens = hasUser ? await client.get(`/access/users/${encodeURIComponent(userid)}/token`, tokens) : []
  const tokenPath = `/access/users/${encodeURIComponent(userid)}/token/${encodeURIComponent(tokenName)}`
  steps.push({
    what: `token ${id}, with rights of its own (an existing one is replaced: its secret is shown once only)`,
    done: false,
    async run() {
      if (knownTokens.some((token) => token.tokenid === tokenName)) await client.delete(tokenPath, nothing)
      const { value } = await client.post(tokenPath, tokenCreated, { privsep: 1, comment: 'Freehold' })
      made = { id, secret: value }
    },
  })
  steps.push(...(await aclSteps(client, grants, userid, id)))
  steps.push(await nextIdStep(client, answers.vmids))
  steps.push(...(await firewallSteps(client, answers.operatorNetworks)))
  return { steps, nodes: names, zone, secret: () => made }
}

function roleStep(
  client: PveClient,
  grant: Grant,
  present: readonly { roleid: string; privs?: string | undefined }[],
): EnrolStep {
  const found = present.find((role) => role.roleid === grant.role)
  const has = (found?.privs ?? '').split(/[, ]+/).filter((privilege) => privilege !== '')
  const done = found !== undefined && has.toSorted().join() === [...grant.privileges].toSorted().join()
  const privs = grant.privileges.join(',')
  return {
    what: `role ${grant.role} for ${grant.why}: ${grant.privileges.join(', ')}`,
    done,
    run: () =>
      found === undefined
        ? client.post('/access/roles', nothing, { roleid: grant.role, privs })
        : client.put(`/access/roles/${grant.role}`, nothing, { privs }),
  }
}

async function aclSteps(client: PveClient, grants: readonly Grant[], userid: string, token: string): Promise<EnrolStep[]> {
  const present = await client.get('/access/acl', acl)
  return grants.flatMap((grant) =>
    grant.paths.flatMap((path) =>
      // a token's rights are cut with its user's: both need them
      [['users', userid] as const, ['tokens', token] as const].map(([kind, ugid]) => ({
        what: `${grant.role} on ${path} for ${ugid}`,
        done: kind === 'users' && present.some((e) => e.path === path && e.ugid === ugid && e.roleid === grant.role),
        run: () => client.put('/access/acl', nothing, { path, roles: grant.role, [kind]: ugid, propagate: 1 }),
      })),
    ),
  )
}

async function mediaStep(client: PveClient, answers: EnrolAnswers): Promise<EnrolStep> {
  const all = await client.get('/storage', storages)
  const found = all.find((storage) => storage.storage === answers.mediaStorage)
  const content = new Set((found?.content ?? '').split(',').filter((type) => type !== ''))
  const done = content.has('iso') && content.has('import')
  return {
    what: `storage ${answers.mediaStorage} for seeds and images (iso, import)`,
    done,
    run: () =>
      found === undefined
        ? client.post('/storage', nothing, {
            storage: answers.mediaStorage,
            type: 'dir',
            path: answers.mediaFolder,
            content: contentList.parse('iso,import'),
          })
        : client.put(`/storage/${answers.mediaStorage}`, nothing, {
            content: contentList.parse([...content.add('iso').add('import')].join(',')),
          }),
  }
}

async function nextIdStep(client: PveClient, vmids: { from: number }): Promise<EnrolStep> {
  const options = await client.get('/cluster/options', clusterOptions)
  const wanted = `lower=100,upper=${vmids.from}`
  const present = options['next-id']
  const text =
    typeof present === 'object' && present !== null
      ? Object.entries(present)
          .toSorted(([a], [b]) => a.localeCompare(b))
          .map(([key, value]) => `${key}=${value}`)
          .join()
      : typeof present === 'string'
        ? present
        : ''
  return {
    what: `ids for everybody else end below ${vmids.from} (next-id: ${wanted})`,
    done: text === wanted,
    run: () => client.put('/cluster/options', nothing, { 'next-id': wanted }),
  }
}

/** The datacenter firewall; before it goes on, a rule that keeps the operator's own access. */
async function firewallSteps(client: PveClient, networksOfOperator: readonly Network[]): Promise<EnrolStep[]> {
  const { enable } = await client.get('/cluster/firewall/options', firewallOptions)
  const on = enable === true
  const rules = await client.get('/cluster/firewall/rules', firewallRules)
  const ports = fwPorts.parse('22,8006,5900:5999,3128')
  const steps = networksOfOperator.map((source): EnrolStep => ({
    what: `firewall rule first: accept ${source} on ${ports}, so that you are not shut out`,
    done: rules.some((rule) => rule.source === source && rule.comment === ruleComment && rule.enable === true),
    run: () =>
      client.post('/cluster/firewall/rules', nothing, {
        type: 'in',
        action: 'ACCEPT',
        source,
        proto: 'tcp',
        dport: ports,
        enable: 1,
        comment: ruleComment,
      }),
  }))
  return [
    ...steps,
    {
      what: 'datacenter firewall on: without it VMs are not kept apart',
      done: on,
      async run() {
        if (networksOfOperator.length === 0) {
          throw new AppError({
            code: 'bad-input',
            detail: 'Switching the datacenter firewall on without a rule for you would shut you out.',
            hint: 'Name the network that you reach the nodes from.',
            fields: [{ pointer: '/operatorNetworks', detail: 'At least one network is needed.' }],
          })
        }
        await client.put('/cluster/firewall/options', nothing, { enable: 1 })
      },
    },
  ]
}

async function requireDisks(client: PveClient, storage: string): Promise<void> {
  const found = (await client.get('/storage', storages)).find((one) => one.storage === storage)
  if (found === undefined) {
    throw new AppError({
      code: 'storage-unsuitable',
      detail: `There is no storage ${storage}.`,
      hint: 'On a node: pvesm status.',
    })
  }
  if (!(found.content ?? '').split(',').includes('images')) {
    throw new AppError({
      code: 'storage-unsuitable',
      detail: `The storage ${storage} does not take disks of VMs.`,
      hint: `On a node: pvesm set ${storage} --content ${found.content},images`,
    })
  }
}

/** Runs what is not done. Returns the token. Safe to call again after any failure, with a fresh plan. */
export async function runEnrolment(plan: EnrolPlan, tell: (what: string) => void): Promise<ApiToken> {
  for (const step of plan.steps) {
    if (step.done) continue
    tell(step.what)
    await step.run()
  }
  const made = plan.secret()
  if (made !== undefined) return made
  throw new AppError({ code: 'internal', detail: 'The token was not made.' })
}
