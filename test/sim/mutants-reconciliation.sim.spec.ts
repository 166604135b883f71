// Planted bugs of the layer 'reconciliation'.
import { findsAll } from './planted.ts';

findsAll('reconciliation');
