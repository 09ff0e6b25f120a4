import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { PurchasePage } from '../../../store/PurchasePage.tsx'

interface Props {
  params: Promise<{ id: string }>
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return pageTitle('buy.title', { plan: `#${(await params).id.slice(0, 12)}` })
}

export default async function Page({ params }: Props) {
  return <PurchasePage id={(await params).id} />
}
