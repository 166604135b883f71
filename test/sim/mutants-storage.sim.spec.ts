// Planted bugs of the layer 'storage'.
import { findsAll } from './planted.ts';

findsAll('storage');
