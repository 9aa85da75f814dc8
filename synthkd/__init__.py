"""synthkd"""
