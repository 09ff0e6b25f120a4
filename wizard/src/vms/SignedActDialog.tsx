'use client'
import type { VmView } from '@freehold/appliance/api/schemas/vms'
import { PageFailure } from '../api/failure.ts'
import { api } from '../api/resources.ts'
import { gibibytes } from '../format/size.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { signAct } from '../sign-in/sign.ts'
import { SignElsewhere } from '../sign-in/SignElsewhere.tsx'
import { useWallets } from '../wallet/wallet-context.tsx'
import { TypedConfirm } from './TypedConfirm.tsx'
import { useSenderReason } from '../wallet/use-sender-reason.ts'
import { usePress } from '../ui/use-press.ts'

/** Acts that destroy, each under a signature of its own, given here or on another device. */
export type SignedAct = 'reinstall' | 'rollback'

/** What is lost, the name to be typed, the signature, then the task (X9, S13). */
export function SignedActDialog({ vm, act, onBegun, onClose }: { vm: VmView; act: SignedAct; onBegun(): void; onClose(): void }) {
  const { t, locale } = useTexts()
  const { current: wallet } = useWallets()
  const holderReason = useSenderReason({ role: 'holder', address: vm.subscription.holder })
  const { busy, error, press } = usePress()

  const begin = (requestId: () => Promise<string>) =>
    press(async () => {
      await api.act(vm.vmId, act, await requestId())
      onBegun()
    })

  async function signHere(): Promise<string> {
    if (wallet === undefined) throw new PageFailure('wallet.gone')
    const signed = await signAct(wallet, act, vm.vmId)
    if (signed.approval.state !== 'approved') throw new PageFailure('reply')
    return signed.requestId
  }

  return (
    <TypedConfirm
      title={t(`${act}.title`, { name: vm.hostname })}
      name={vm.hostname}
      intro={t(`${act}.text`)}
      lost={[
        act === 'reinstall'
          ? t('reinstall.lost', { size: gibibytes(vm.diskGiB, locale) })
          : t('rollback.lost', { snapshot: vm.snapshots.at(-1) ?? '' }),
      ]}
      confirm={t(`${act}.confirm`)}
      busy={busy ? t('tx.wallet') : undefined}
      error={error}
      disabledReason={holderReason}
      elsewhere={(disabledReason) => (
        <SignElsewhere
          act={act}
          vmId={vm.vmId}
          disabledReason={disabledReason}
          onApproved={(requestId) => begin(() => Promise.resolve(requestId))}
        />
      )}
      onConfirm={() => begin(signHere)}
      onClose={onClose}
    >
      {act === 'reinstall' && <p>{t('reinstall.kept')}</p>}
    </TypedConfirm>
  )
}
