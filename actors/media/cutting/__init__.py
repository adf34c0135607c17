"""What the jobs of media do, in processes of their own: programs that read what strangers have sent, within limits."""
