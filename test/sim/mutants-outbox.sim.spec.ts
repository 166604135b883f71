// Planted bugs of the layer 'outbox'.
import { findsAll } from './planted.ts';

findsAll('outbox');
