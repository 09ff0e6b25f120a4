'use client'
import { parseVmId } from '@freehold/appliance/chain/installation'
import { useHost } from '../api/host-context.tsx'
import { calldata } from '../chain/contract.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { useWallets } from '../wallet/wallet-context.tsx'
import { useTransaction } from './use-transaction.ts'

/** After the deadline anyone may have the whole payment credited to the holder. */
export function RefundButton({ vmId }: { vmId: string }) {
  const { t } = useTexts()
  const { status } = useHost()
  const { current: wallet } = useWallets()
  const { run, stage, error } = useTransaction()
  const key = parseVmId(vmId)
  const contract = status?.contracts.find((c) => c.installation === key?.installation)
  if (key === undefined || contract === undefined) return null
  return (
    <div className="space-y-4">
      {wallet === undefined && <WalletBox />}
      {error !== undefined && <ErrorBox error={error} focus />}
      <Button
        onClick={() => void run({ to: contract.address, data: calldata.refund(String(key.tokenId)) })}
        busy={stage === undefined ? undefined : t(stage === 'wallet' ? 'tx.wallet' : 'tx.sent')}
        disabledReason={wallet === undefined ? t('error.wallet.gone.hint') : undefined}
      >
        {t('progress.refund')}
      </Button>
    </div>
  )
}
