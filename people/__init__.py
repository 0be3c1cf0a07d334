"""Who the customers are: imports, enrichment, phones and names as people write them."""
