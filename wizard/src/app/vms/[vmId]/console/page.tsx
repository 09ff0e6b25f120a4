import type { Metadata } from 'next'
import { ConsolePage } from '../../../../console/ConsolePage.tsx'
import { pageTitle } from '../../../../i18n/server.ts'
import { shortSubject } from '../../../../operator/short-subject.ts'

interface Props {
  params: Promise<{ vmId: string }>
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return pageTitle('console.title', { name: shortSubject((await params).vmId.slice(0, 100)) })
}

export default async function Page({ params }: Props) {
  return <ConsolePage vmId={(await params).vmId} />
}
